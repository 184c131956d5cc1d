"""An HTTP server on the loopback address that fails as it is told to."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves ``data`` under every name.

    ``faults`` are taken one a request, then all is well: a status; ``'html'``, ``'html as bytes'``; ``'to URL'``, a
    redirect; ``{'cut': n}``, close after n bytes, and with ``'stall'`` only once ``delay`` is set.
    """

    def __init__(self, data):
        self.data, self.etag, self.faults, self.requests = data, '"v1"', [], []
        self.ranges, self.delay = True, threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self):
                outer.requests.append((self.path, self.headers.get('Range')))
                outer.answer(self)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.http.daemon_threads = True
        self.url = f'http://127.0.0.1:{self.http.server_port}/weights.pth'
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, request):
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, int):
            request.send_error(fault)
            return
        if request.path.startswith('/loop') or str(fault).startswith('to '):
            request.send_response(302)
            request.send_header('Location', fault[3:] if fault else f'{request.path}x')
            request.send_header('Content-Length', '0')
            request.end_headers()
            return
        data, kind = self.data, 'application/octet-stream'
        if fault in ('html', 'html as bytes'):
            data = b'<!DOCTYPE html><html><body>Sign in</body></html>'
            kind = 'text/html; charset=utf-8' if fault == 'html' else kind
        start, status = 0, 200
        wanted, condition = request.headers.get('Range'), request.headers.get('If-Range')
        if wanted and self.ranges and condition in (None, self.etag):
            start, status = int(wanted.removeprefix('bytes=').removesuffix('-')), 206
            if start >= len(data):
                request.send_error(416)
                return
        request.send_response(status)
        request.send_header('Content-Type', kind)
        request.send_header('Content-Length', str(len(data) - start))
        if self.etag:
            request.send_header('ETag', self.etag)
        if status == 206:
            request.send_header('Content-Range', f'bytes {start}-{len(data) - 1}/{len(data)}')
        request.end_headers()
        request.wfile.write(data[start : start + fault['cut'] if isinstance(fault, dict) else None])
        if isinstance(fault, dict):
            if 'stall' in fault:
                self.delay.wait(30)
            request.close_connection = True

    @property
    def ranges_asked(self):
        return [wanted for _, wanted in self.requests]

    def close(self):
        self.http.shutdown()
        self.http.server_close()

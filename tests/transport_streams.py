"""Files as they come through a pipe."""

import av


def as_transport_stream(source, path):
    """Copy a file into an MPEG transport stream at ``path``; returns its bytes."""
    with av.open(str(path), 'w', format='mpegts') as out, av.open(str(source)) as whole:
        streams = {one.index: out.add_stream_from_template(one) for one in whole.streams}
        for packet in whole.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    return path.read_bytes()

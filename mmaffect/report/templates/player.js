/** Time that runs by itself, where there is nothing to play. */
class FreeClock {
  constructor(duration) {
    this.duration = duration;
    this.position = 0;
    this.began = null;
    this.speed = 1;
    this.onTime = this.onState = () => {};
  }

  get playing() {
    return this.began !== null;
  }

  get time() {
    const passed = this.playing ? ((performance.now() - this.began) / 1000) * this.speed : 0;
    return Math.min(this.position + passed, this.duration);
  }

  set rate(speed) {
    this.seek(this.time);
    this.speed = speed;
  }

  seek(time) {
    this.position = clamp(time, 0, this.duration);
    if (this.playing) this.began = performance.now();
    this.onTime(this.time);
  }

  toggle() {
    if (this.playing) {
      this.position = this.time;
      this.began = null;
    } else {
      if (this.time >= this.duration) this.position = 0;
      this.began = performance.now();
      requestAnimationFrame(() => this.tick());
    }
    this.onState();
  }

  tick() {
    if (!this.playing) return;
    if (this.time >= this.duration) this.toggle();
    else requestAnimationFrame(() => this.tick());
    this.onTime(this.time);
  }
}

/** The video or sound of the page; its clock is that of the traces. */
class MediaPlayer {
  constructor(video, duration) {
    this.video = video;
    this.duration = duration;
    this.wanted = null;
    this.onTime = this.onState = () => {};
    for (const name of ['play', 'pause', 'ended'])
      video.addEventListener(name, () => {
        this.onState();
        if (this.playing) this.watch();
      });
    for (const name of ['seeking', 'timeupdate', 'loadedmetadata']) video.addEventListener(name, () => this.onTime(this.time));
    for (const name of ['seeked', 'loadedmetadata']) video.addEventListener(name, () => this.catchUp());
    video.addEventListener('click', () => this.toggle());
  }

  get playing() {
    return !this.video.paused && !this.video.ended;
  }

  get time() {
    return this.wanted === null ? this.video.currentTime : this.wanted;
  }

  set rate(speed) {
    this.video.defaultPlaybackRate = this.video.playbackRate = speed;
  }

  seek(time) {
    this.wanted = clamp(time, 0, this.duration);
    if (this.video.readyState && !this.video.seeking) this.catchUp();
    this.onTime(this.time);
  }

  /** While one seek is under way, only the last of those that follow counts. */
  catchUp() {
    if (this.wanted === null) return;
    const time = this.wanted;
    this.wanted = null;
    if (Math.abs(this.video.currentTime - time) > 1e-4) this.video.currentTime = time;
  }

  toggle() {
    if (this.playing) this.video.pause();
    else this.video.play().catch(() => {});
  }

  /** Follow the frames as they are shown; sound alone, the screen's. */
  watch() {
    if (!this.playing || this.watching) return;
    this.watching = true;
    const next = (now, frame) => {
      this.watching = false;
      if (!this.video.seeking && this.wanted === null) this.onTime(frame ? frame.mediaTime : this.video.currentTime);
      this.watch();
    };
    if (this.video.requestVideoFrameCallback && this.video.videoWidth) this.video.requestVideoFrameCallback(next);
    else requestAnimationFrame((now) => next(now));
  }
}

/** Make a file of the base64 at the end of the page, after the first paint. */
async function embeddedFile(mime) {
  const parts = [];
  for (const element of document.querySelectorAll('script[type="application/octet-stream;base64"]')) {
    parts.push(Uint8Array.fromBase64 ? Uint8Array.fromBase64(element.textContent) : bytes(element.textContent));
    element.remove();
    await new Promise((resolve) => setTimeout(resolve));
  }
  return new Blob(parts, { type: mime });
}

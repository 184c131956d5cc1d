"""Other containers than mp4, which Aff-Wild2 has as well."""

from pathlib import Path


def to_mkv(source: Path, target: Path) -> None:
    """Copies the packets of an mp4 file into a Matroska file, where the picture starts some milliseconds late.

    Args:
        source: mp4 file.
        target: file to write, `*.mkv`.
    """
    import av

    with av.open(str(source)) as content, av.open(str(target), 'w', options={'fflags': '+bitexact'}) as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in content.streams}
        for packet in content.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)


def to_avi(source: Path, target: Path) -> None:
    """Encodes an mp4 file again as avi of old times: MPEG-4 part 2 and uncompressed sound.

    AVI has no presentation times, so that H.264's reordered frames cannot be copied into it.

    Args:
        source: mp4 file.
        target: file to write, `*.avi`.
    """
    import av

    with av.open(str(source)) as content, av.open(str(target), 'w', options={'fflags': '+bitexact'}) as out:
        picture = content.streams.video[0]
        # A constant quantiser (qscale) would have to be set on every frame, which PyAV cannot; bounds do the same.
        quality = {'flags': '+bitexact', 'qmin': '2', 'qmax': '5'}
        video = out.add_stream('mpeg4', rate=picture.average_rate, options=quality)
        video.width, video.height, video.pix_fmt = picture.width, picture.height, 'yuv420p'
        video.codec_context.thread_count = 1
        streams = {picture.index: video}
        for sound in content.streams.audio:
            streams[sound.index] = out.add_stream('pcm_s16le', rate=sound.rate, layout='mono')
        for packet in content.demux():
            for frame in packet.decode():
                if packet.stream is picture:
                    # Else the encoder repeats the choice of key frames of the source.
                    frame.pict_type = 0
                out.mux(streams[packet.stream.index].encode(frame))
        for stream in streams.values():
            out.mux(stream.encode(None))

"""Frames from one process to another, and to disk: packed, summed by CRC and checked, against bare ZeroMQ and h5py."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import zmq

from benchmarks.row import Row
from controller.record.recorder import Recorder
from drivers.clock import WallClock
from drivers.frame_slab import FrameSlab
from drivers.frames import Frame, FrameHeader, pack
from drivers.recorded.folder import SessionFolder

SIDE = 1024
_RECEIVER = """
import sys, time
import zmq
from drivers.frame_slab import SlabReader
from drivers.frames import unpack
endpoint, frames, checked, public, secret, server = sys.argv[1:]
slabs = SlabReader()
with zmq.Context() as context, context.socket(zmq.PULL) as socket:
    socket.rcvhwm = 8
    if public:
        socket.curve_publickey, socket.curve_secretkey = public.encode(), secret.encode()
        socket.curve_serverkey = server.encode()
    socket.connect(endpoint)
    began = None
    for expected in range(int(frames) + 1):
        parts = socket.recv_multipart()
        if checked == "1":
            assert unpack(parts, slabs).header.seq == expected
        began = began or time.perf_counter()  # by the first, which is not counted
    print(time.perf_counter() - began)
"""


def _frame(seq: int, image: np.ndarray) -> Frame:
    header = FrameHeader(
        seq=seq,
        session="benchmark",
        step=f"c{seq // 71:03d}/A/tilt",
        index=seq,
        particle="A",
        core="Au",
        shell="Ag",
        time_s=float(seq),
        tilt_deg=0.0,
        pixel_nm=1.0,
    )
    return Frame(header, image)


def _images() -> np.ndarray:
    return np.random.default_rng(0).poisson(30.0, (8, SIDE, SIDE)).astype(np.uint16)


def _gb_per_s(frames: int, *, checked: bool, by_key: bool = False, slab: FrameSlab | None = None) -> float:
    """Through a socket that loses nothing, to a process of its own."""
    images = _images()
    keys = [key.decode() for key in (*zmq.curve_keypair(), *zmq.curve_keypair())] if by_key else [""] * 4
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket, tempfile.TemporaryDirectory() as folder:
        socket.sndhwm, socket.linger = 8, 0
        if by_key:
            socket.curve_server = True
            socket.curve_publickey, socket.curve_secretkey = keys[2].encode(), keys[3].encode()
        socket.bind("tcp://127.0.0.1:*" if by_key else f"ipc://{folder}/frames")
        told = [socket.last_endpoint.decode().rstrip("\0"), str(frames), str(int(checked)), *keys[:3]]
        socket.sndtimeo = 60_000  # a receiver that has died takes nothing
        receiver = subprocess.Popen([sys.executable, "-c", _RECEIVER, *told], stdout=subprocess.PIPE, text=True)
        try:
            for seq in range(frames + 1):
                image = images[seq % len(images)]
                while slab is not None and slab.unread + 2 * image.nbytes > slab.size:
                    time.sleep(20e-6)  # a session would not wait, and be asked for what was written over
                socket.send_multipart(pack(_frame(seq, image), slab) if checked else [b"", image, b""], copy=False)
            taken_s = float(receiver.communicate(timeout=60)[0])
        finally:
            receiver.kill()
    return 1e-9 * frames * images[0].nbytes / taken_s


def _recorded_gb_per_s(frames: int, folder: Path) -> float:
    images = _images()

    async def main() -> float:
        at = SessionFolder(folder / "s")
        at.frames.mkdir(parents=True)
        recorder = Recorder(at, WallClock())
        began = time.perf_counter()
        for seq in range(frames):
            await recorder.write(_frame(seq, images[seq % len(images)]))
        taken_s = time.perf_counter() - began
        await recorder.close()
        return taken_s

    return 1e-9 * frames * images[0].nbytes / asyncio.run(main())


def _bare_h5py_gb_per_s(frames: int, folder: Path) -> float:
    """Frame by frame, flushed after each as the recorder does, not compressed."""
    images = _images()
    with h5py.File(folder / "bare.h5", "w") as file:
        data = file.create_dataset("data", (frames, SIDE, SIDE), np.uint16, chunks=(1, SIDE, SIDE))
        began = time.perf_counter()
        for n in range(frames):
            data[n] = images[n % len(images)]
            file.flush()
        return 1e-9 * frames * images[0].nbytes / (time.perf_counter() - began)


def rows(short: bool) -> Iterator[Row]:
    frames = 20 if short else 6000
    bare, ours = _gb_per_s(frames, checked=False), _gb_per_s(frames, checked=True)
    what = f"lossless stream with CRC, {SIDE}^2 uint16, {frames} frames"
    yield Row(what, ours, "GB/s", "bare pyzmq, unchecked", bare, bar=">= 1 GB/s", held=ours >= 1.0)
    slab = FrameSlab()
    shared = _gb_per_s(frames, checked=True, slab=slab)
    slab.close()
    yield Row("the same through shared memory", shared, "GB/s", bar=">= 2.5 GB/s", held=shared >= 2.5)
    by_key = _gb_per_s(frames // 4, checked=True, by_key=True)
    yield Row("the same by CURVE, over TCP", by_key, "GB/s", bar=">= 0.5 GB/s", held=by_key >= 0.5)
    with tempfile.TemporaryDirectory(dir=".") as name:
        frames = 20 if short else 300
        ours, bare = _recorded_gb_per_s(frames, Path(name)), _bare_h5py_gb_per_s(frames, Path(name))
    what = f"recorder, {SIDE}^2 uint16, each frame flushed"
    yield Row(what, ours, "GB/s", "bare h5py", bare, bar=">= 0.25 GB/s", held=ours >= 0.25)

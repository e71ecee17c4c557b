"""An analysis on another computer: asks for a session's frames, and sends results and reconstructions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np
import zmq

from analysis.free_cores import following_free_cores
from analysis.live.pipeline import Pipeline
from analysis.live.settings import AnalysisSettings
from analysis.live.worker import Worker, send_surely
from analysis.tomography.projector import Volume
from drivers.errors import ConfigError
from drivers.requests import NoAnswer, Refused, RequestSocket
from drivers.stream_requests import Alive, HowToAnalyse, TakeVolume

_ANSWER_S, _BEAT_S = 10.0, 5.0
_LARGEST = (1 << 28) - (1 << 20)
"""Bytes of a reconstruction; the session takes no larger message."""


def assist(endpoint: str, name: str, tell: Callable[[str], None]) -> int:
    """Work until the session is over; returns 0 then, 3 when it does not answer any more.

    Raises
    ------
    ConfigError
        Where the session does not let it take part.

    Parameters
    ----------
    endpoint : where a session lets analyses in, with the key
    name : by which the session tells of this one
    tell : is told in words what happens
    """
    with zmq.Context() as context:
        requests = RequestSocket(context, endpoint, linger_ms=5000)

        def keep(step: str, volume: Volume, voxel_nm: float) -> None:
            if volume.nbytes > _LARGEST:
                tell(f"{step}: its reconstruction of {volume.nbytes >> 20} MiB is too large to be sent; it is not kept")
                return
            question = TakeVolume(step=step, voxel_nm=voxel_nm, shape=volume.shape, answered=True)
            send_surely(requests, question, np.ascontiguousarray(volume, np.float32).tobytes())
            tell(f"{step} is analysed")

        try:
            settings = _settings(requests, name)
            tell(f"taking part as {name}")
            with _heard(context, endpoint, name), following_free_cores():
                code = Worker(context, None, requests, Pipeline(settings, keep_volume=keep), name=name).run()
            tell("the session is over" if code == 0 else "the session does not answer any more; it may be over")
            return code
        finally:
            requests.close()


def _settings(requests: RequestSocket, name: str) -> AnalysisSettings:
    question = HowToAnalyse(worker=name, version=version("alloyscope"))
    try:
        (told,) = (value for value, _ in requests.ask(question, limit_s=_ANSWER_S))
    except (NoAnswer, Refused) as error:
        raise ConfigError("assist", [str(error)]) from error
    return AnalysisSettings.model_validate_json(told)


@contextmanager
def _heard(context: zmq.Context[zmq.Socket[bytes]], endpoint: str, name: str) -> Iterator[None]:
    """Say all the time that this one is alive, from a thread: a fit of half a minute must not look like a death."""
    over = threading.Event()

    def beat() -> None:
        socket = RequestSocket(context, endpoint)
        while True:
            socket.send(Alive(worker=name))
            if over.wait(_BEAT_S):
                break
        socket.close()

    thread = threading.Thread(target=beat, name="alive", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()

"""From the command line: which drivers, where to listen, and by whose key."""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import importlib.util
import inspect
import ipaddress
import json
import logging
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Sequence

import zmq

from .device import HostClock, HostedDevice, HostThread, in_words, log
from .host import DeviceHost
from .messages import CALLS

_LIMITS = {"max_c": 800.0, "min_c": 15.0, "max_ramp_c_per_s": 2000.0, "max_power_mw": 60.0}
_TOLD_APART_BY = {"chip": "ramp_to", "microscope": "scan", "edx": "map_frames"}
_OPTIONAL = ("sweep",)


class Limits(SimpleNamespace):
    """Of a chip, as its driver finds them in `context.limits`."""

    def check_target(self, device: str, target_c: float, rate_c_per_s: float) -> None:
        """Raise `ValueError` before anything is sent."""
        if not self.min_c <= target_c <= self.max_c:
            raise ValueError(
                "{}: {:g} C was asked, the limits are {:g} to {:g} C".format(device, target_c, self.min_c, self.max_c)
            )
        if not 0.0 < rate_c_per_s <= self.max_ramp_c_per_s:
            raise ValueError(
                "{}: a ramp of {:g} C/s was asked, the limit is {:g} C/s".format(
                    device, rate_c_per_s, self.max_ramp_c_per_s
                )
            )


class CannotHost(Exception):
    """What was given cannot be used; exit code 2."""


def key_of(path: str) -> tuple[str, list[str]]:
    """The host's secret, and who may come in: of ``session.key``, as ``alloyscope keys`` makes it."""
    key: dict[str, Any] = {"role": "", "secret": "", "operators": []}
    try:
        if os.name == "posix" and os.stat(path).st_mode & 0o077:
            raise CannotHost(f"{path}: others can read this key; run: chmod 600 {path}, or make new ones")
        for line in Path(path).read_text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() in key:
                key[name.strip()] = ast.literal_eval(value.strip())
    except (OSError, ValueError, SyntaxError) as error:
        raise CannotHost(f"{path}: is no key ({error}); make some with: alloyscope keys FOLDER") from None
    if key["role"] != "session" or len(key["secret"]) != 40:
        raise CannotHost(f"{path}: a host listens with session.key; operator.key is for the session that asks")
    return key["secret"], key["operators"]


def is_loopback(address: str) -> bool:
    """Whether only this computer can reach it."""
    host = address[len("tcp://") :].rpartition(":")[0].strip("[]")
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or address.startswith("ipc://")


def driver_class(named: str) -> Any:
    """By ``file.py:Class`` or ``module:Class``."""
    place, _, name = named.rpartition(":")
    try:
        if not place.endswith(".py"):
            return getattr(importlib.import_module(place), name)
        path = Path(place).resolve()
        spec = importlib.util.spec_from_file_location(f"driver_{path.stem}", path)
        assert spec is not None and spec.loader is not None, "it ends in .py"
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        sys.path.append(str(path.parent))  # what lies beside it may be imported
        spec.loader.exec_module(module)
        return getattr(module, name)
    except Exception as error:  # a driver's module may raise anything
        raise CannotHost(
            f"{named} cannot be loaded ({in_words(error)}); write file.py:Class or module:Class"
        ) from error


def kind_of(named: str, made: Any) -> str:
    """What a driver's class is for, by what it can be asked."""
    kinds = [kind for kind, method in _TOLD_APART_BY.items() if hasattr(made, method)]
    if len(kinds) != 1:
        raise CannotHost(f"{named} is no driver: a chip has ramp_to, a microscope scan, a detector map_frames")
    asked = ["connect", *CALLS[kinds[0]], *(["tilt_range_deg"] if kinds[0] == "microscope" else [])]
    missing = [name for name in asked if not hasattr(made, name) and name not in _OPTIONAL]
    if missing:
        raise CannotHost(f"{named} has no {', '.join(missing)}; see docs/device_host.md")
    return kinds[0]


def hosted(names: Sequence[str], options: Sequence[dict[str, Any]], about: dict[str, Any]) -> dict[str, HostedDevice]:
    """Devices by their kinds; microscope and detector, one column, share a thread.

    Parameters
    ----------
    about : what a driver that takes ``context`` finds there
    """
    devices: dict[str, HostedDevice] = {}
    column: HostThread | None = None
    for named, given in zip(names, options):
        made = driver_class(named)
        kind = kind_of(named, made)
        if kind in devices:
            raise CannotHost(f"{named} is a second {kind}; a host has one of each kind")
        stamps = "context" in inspect.signature(made).parameters
        beneath = devices["microscope"].driver if kind == "edx" and "microscope" in devices else None
        try:
            context = SimpleNamespace(microscope=beneath, **about)
            driver = made(name=kind, context=context, **given) if stamps else made(**given)
        except Exception as error:  # a driver may raise anything
            raise CannotHost(f"{named} cannot be built ({in_words(error)}); see what its driver needs") from error
        thread = HostThread(kind) if kind == "chip" or column is None else column
        column = column if kind == "chip" else thread
        devices[kind] = HostedDevice(kind, driver, about["clock"], thread, stamps=stamps)
    return devices


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 ended and safe, 1 by an error or not known to be safe, 2 wrong input."""
    parser = argparse.ArgumentParser(
        prog="device_host", description="Run an instrument's driver for a session elsewhere."
    )
    parser.add_argument("drivers", nargs="+", metavar="FILE.py:CLASS", help="chip, microscope, edx: one of each kind")
    parser.add_argument("--options", action="append", default=[], metavar="JSON", help="of each driver, in their order")
    parser.add_argument("--listen", default="tcp://127.0.0.1:5560", metavar="ADDRESS", help="tcp://HOST:PORT")
    parser.add_argument("--key", metavar="FILE", help="session.key of `alloyscope keys`; needed beyond this computer")
    parser.add_argument("--line-s", type=float, default=2.0, help="silence after which devices are made safe (2)")
    parser.add_argument("--limits", default="{}", metavar="JSON", help="what a chip's driver is told of its limits")
    parser.add_argument("--folder", default=".", help="for files that drivers write")
    parser.add_argument("--seed", type=int, default=1, help="of simulated drivers")
    given = parser.parse_intermixed_args(arguments)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s", level=logging.INFO)
    try:
        host, address = _listening(given)
    except CannotHost as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return _served(host, address)


def _listening(given: argparse.Namespace) -> tuple[DeviceHost, str]:
    if not given.listen.startswith(("tcp://", "ipc://")):
        raise CannotHost(f"--listen {given.listen}: is no address; write tcp://HOST:PORT")
    if not is_loopback(given.listen) and given.key is None:
        words = "other computers can reach that, and no --key is given; make keys with: alloyscope keys FOLDER"
        raise CannotHost(f"--listen {given.listen}: {words}")
    if not 0.2 <= given.line_s <= 60.0:
        raise CannotHost(f"--line-s {given.line_s:g}: write 0.2 to 60 s")
    options = [_json("--options", text) for text in given.options]
    if len(options) > len(given.drivers):
        raise CannotHost(f"{len(options)} --options for {len(given.drivers)} drivers; give one of each, in their order")
    options += [{}] * (len(given.drivers) - len(options))
    clock = HostClock()
    about = {
        "clock": clock,
        "seed": given.seed,
        "folder": Path(given.folder),
        "origin": Path(),
        "limits": Limits(**{**_LIMITS, **_json("--limits", given.limits)}),
        "log": logging.getLogger("driver"),
    }
    host = DeviceHost(hosted(given.drivers, options, about), clock, given.line_s)
    secret, operators = ("", []) if given.key is None else key_of(given.key)
    try:
        return host, host.listen(given.listen, secret, operators)
    except zmq.ZMQError as error:
        raise CannotHost(f"--listen {given.listen}: cannot be had ({error}); choose another address") from error


def _json(option: str, text: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    raise CannotHost(f'{option} {text}: is no JSON object; write for example \'{{"port": "COM3"}}\'')


def _served(host: DeviceHost, address: str) -> int:
    def end(number: int, _: Any) -> None:
        host.told = signal.Signals(number).name

    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)
    code = 0
    try:
        print(f"listening at {address}", flush=True)
        host.serve()
        log.info("told to end by %s; the devices are made safe", host.told)
    except Exception:  # noqa: BLE001  # whatever it is, the devices are made safe
        log.exception("the host has failed; the devices are made safe")
        code = 1
    code = code if host.close() else 1
    logging.shutdown()
    os._exit(code)  # a driver's thread that does not come back must not keep it


if __name__ == "__main__":
    sys.exit(main())

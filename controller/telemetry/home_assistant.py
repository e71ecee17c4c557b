"""Discovery messages, by which Home Assistant shows a session without being told of it by hand.

They follow its MQTT discovery: a retained ``homeassistant/sensor/<node>/<object>/config``. Names are those of the site,
not of the session, so that a new session takes the place of the last one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from controller.telemetry.topics import STATUS, Outgoing, level

_VALUE = "{{ value_json.value }}"
_AVAILABLE = "{{ 'online' if value_json.value == 'online' else 'offline' }}"
_OF_A_SESSION: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("chip/temperature", "Chip temperature", {"unit_of_measurement": "°C", "device_class": "temperature"}),
    ("chip/setpoint", "Chip set point", {"unit_of_measurement": "°C", "device_class": "temperature"}),
    ("chip/power", "Heater power", {"unit_of_measurement": "mW", "device_class": "power"}),
    ("chip/heat", "Time at temperature", {"unit_of_measurement": "s", "device_class": "duration"}),
    ("stage/tilt", "Stage tilt", {"unit_of_measurement": "°"}),
    ("run/state", "Session state", {}),
    ("run/step", "Session step", {}),
    ("log/warning", "Last warning", {}),
    ("log/error", "Last error", {}),
)
_OF_A_PARTICLE: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("alloying", "degree of alloying", {"state_class": "measurement"}),
    ("diffusivity", "diffusion coefficient", {"unit_of_measurement": "m²/s"}),
    ("dose", "electron dose", {"unit_of_measurement": "e/nm²"}),
)


def discovery(base: str, site: str, title: str, particles: Iterable[str]) -> Iterator[Outgoing]:
    """`base` : the session's topic"""
    node = level(f"alloyscope_{site}").replace(".", "_")
    device = {"identifiers": [node], "name": f"Alloyscope {site}", "manufacturer": "Alloyscope", "model": title}
    kinds = list(_OF_A_SESSION)
    for particle in particles:
        kinds += [(f"{level(particle)}/{topic}", f"{particle} {name}", unit) for topic, name, unit in _OF_A_PARTICLE]
    for topic, name, told in kinds:
        of = topic.replace("/", "_").replace(".", "_")
        numbers = {"state_class": "measurement"} if "unit_of_measurement" in told else {}
        config = {
            "name": name,
            "unique_id": f"{node}_{of}",
            "state_topic": f"{base}/{topic}",
            "value_template": _VALUE,
            "availability_topic": f"{base}/{STATUS}",
            "availability_template": _AVAILABLE,
            "device": device,
            **told,
            **numbers,
        }
        yield Outgoing(f"homeassistant/sensor/{node}/{of}/config", msgspec.json.encode(config))

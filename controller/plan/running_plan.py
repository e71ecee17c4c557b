"""A plan while it runs: steps that have not begun may be skipped, their pulses changed; any may be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from controller.plan.quantities import HoldSeconds
from controller.plan.steps import Heat, Plan, Steer, Step
from drivers.errors import AlloyscopeError, ConfigError
from drivers.recorded.records import PlanAmended

AMENDING = ("skip ", "unskip ", "change ", "repeat ")
"""How commands begin that amend a plan."""
REFUSED = "refused: "
"""How the answer begins where nothing was changed."""
_HOLD = TypeAdapter(HoldSeconds)
_EXAMPLES = (
    "skip c05/heat, skip c05 (all of that cycle), unskip c05, change c05/heat 440 60 (C, s), "
    "repeat c05/NC2/tilt, repeat c05"
)
_LETTERS = "bcdefghijklmnopqrstuvwxyz"
"""Behind the cycle's number: the first time that it is repeated, the second ..."""


class RunningPlan:
    """Steps as they are amended, each handed out once; what was handed out has begun, and stays as it is."""

    def __init__(
        self, plan: Plan, check_heat: Callable[[str, float, float], None], begun: frozenset[str] = frozenset()
    ) -> None:
        """Of a session that is to begin, or to go on.

        Parameters
        ----------
        check_heat : takes a step, a temperature in C and a rate in C/s, and raises where they may not be asked
        begun : steps that a session which goes on has begun before
        """
        self._steps, self._begun_before = list(plan.steps()), begun
        self._skipped: set[str] = set()
        self._repeated: set[str] = set()
        self._begun = 0
        self._check_heat = check_heat

    def steps(self) -> Iterator[Step]:
        """Those left, one after the other."""
        while self._begun < len(self._steps):
            step = self._steps[self._begun]
            self._begun += 1
            if step.id not in self._skipped:
                yield step

    def all(self) -> Iterator[tuple[Step, bool]]:
        """Every step, begun or not, and whether it is skipped."""
        return ((step, step.id in self._skipped) for step in self._steps)

    @property
    def taken(self) -> tuple[Step, ...]:
        """Steps that have been or will be carried out."""
        return tuple(step for step, skipped in self.all() if not skipped)

    def asked(self, command: str) -> list[PlanAmended]:
        """What a command in words means, for `amend`; nothing is changed yet.

        Raises
        ------
        AlloyscopeError
            Where it names no step that may still be amended, or asks for what is not allowed.
        """
        what, *words = command.split()
        if len(words) != (3 if what == "change" else 1):
            raise ConfigError(command, [f"was asked; {what} needs a step{self._values(what)}, such as: {_EXAMPLES}"])
        if what == "repeat":
            return list(self._repeating(words[0]))
        steps = self._named(what, words[0])
        if what != "change":
            return [PlanAmended(step=step.id, how="skipped" if what == "skip" else "taken") for step in steps]
        (step,) = steps if len(steps) == 1 else (None,)
        if not isinstance(step, Heat):
            pulses = ", ".join(s.id for s in self._left() if isinstance(s, Heat)) or "none is left"
            raise ConfigError(command, [f"only a heat pulse can be changed; those that have not begun: {pulses}"])
        try:
            temperature_c, duration_s = float(words[1]), _HOLD.validate_python(words[2])
        except (ValueError, ValidationError):
            told = f"change {step.id} {step.temperature_c:g} {step.duration_s:g}"
            raise ConfigError(
                command, [f"needs a temperature in C and a time of 0 to 1e6 s; as it is: {told}"]
            ) from None
        self._check_heat(step.id, temperature_c, step.rate_c_per_s)
        return [PlanAmended(step=step.id, how="changed", temperature_c=temperature_c, duration_s=duration_s)]

    def amend(self, amended: PlanAmended) -> str:
        """Do it; in words what has become of the plan."""
        name, temperature_c, duration_s = amended.step, amended.temperature_c, amended.duration_s
        if temperature_c is not None and duration_s is not None:
            for n, step in enumerate(self._steps):
                if step.id == name and isinstance(step, Heat):
                    self._steps[n] = replace(step, temperature_c=temperature_c, duration_s=duration_s)
            return f"{name} is now {temperature_c:g} C for {duration_s:g} s"
        if amended.how == "repeated":
            (like,) = (step for step in self._steps if step.id == amended.repeats)
            self._steps.insert(self._place_after(amended.after), replace(like, id=name))
            self._repeated.add(name)
            return f"{name} repeats {like.id}, after {amended.after}"
        if amended.how == "skipped":
            self._skipped.add(name)
            return f"{name} is skipped"
        self._skipped.discard(name)
        return f"{name} is taken, as planned"

    def _repeating(self, name: str) -> Iterator[PlanAmended]:
        """Once more, after what runs now; what has not begun, after itself. Numbered as a cycle of its own."""
        places = [n for n, step in enumerate(self._steps) if step.id == name or step.id.startswith(name + "/")]
        steered = [s for s in self._steps if isinstance(s, Steer) and s.has(name)]
        if steered:
            (block,) = steered
            words = f"repeat {name}: it belongs to {block.id}, whose pulses the analysis chooses; it goes on by itself"
            raise AlloyscopeError(words)
        if not places:
            known = ", ".join(step.id for step in self._steps[: self._begun + 2][-3:])
            raise AlloyscopeError(f"repeat {name}: it is no step of this plan; steps about now: {known}")
        like = [self._steps[n] for n in places]
        cycle, _, _ = like[0].id.partition("/")
        cycle = cycle.rstrip(_LETTERS)
        known_ids = {step.id for step in self._steps}
        for letter in _LETTERS:
            again = [f"{cycle}{letter}/{step.id.partition('/')[2]}" for step in like]
            if not known_ids & set(again):
                break
        else:
            raise AlloyscopeError(f"repeat {name}: it has been repeated {len(_LETTERS)} times; write a new plan")
        # Of a session that goes on, what was begun before may be half a tilt series, which no heat may part.
        begun = [n for n, step in enumerate(self._steps) if n < self._begun or step.id in self._begun_before]
        after = self._steps[max([*begun, places[-1]])].id
        for step, new in zip(like, again, strict=True):
            yield PlanAmended(step=new, how="repeated", repeats=step.id, after=after)

    def _place_after(self, name: str) -> int:
        """Where the next one goes that follows a step: behind those that do so already."""
        place = next(n for n, step in enumerate(self._steps) if step.id == name) + 1
        while place < len(self._steps) and self._steps[place].id in self._repeated:
            place += 1
        return place

    def _left(self) -> list[Step]:
        return [step for step in self._steps[self._begun :] if step.id not in self._begun_before]

    def _named(self, what: str, name: str) -> list[Step]:
        def named(step: Step) -> bool:
            return step.id == name or step.id.startswith(name + "/")

        left = [step for step in self._left() if named(step)]
        if left:
            return left
        begun = any(named(step) for step in self._steps)
        next_ones = ", ".join(step.id for step in self._left()[:3]) or "none"
        found = "has begun, or is over" if begun else "is no step of this plan"
        raise AlloyscopeError(f"{what} {name}: it {found}; steps that come next: {next_ones}")

    @staticmethod
    def _values(what: str) -> str:
        return ", a temperature in C and a time in s" if what == "change" else ""

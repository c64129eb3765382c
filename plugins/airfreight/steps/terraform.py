"""What the steps tf-plan, tf-apply and tf-output share: their common fields, the program, how it runs.

The program is OpenTofu or Terraform. No value of a config is in the list of processes: variables and environment reach
the program by a file in its private home, where its downloads are, too.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field, model_validator

from airfreight.errors import TerminalStepError
from airfreight.steps.base import StepConfig, StepContext
from airfreight.steps.confined import Confined, confined, find_program, version_of

_TIME_LIMIT = 3600.0  # seconds of one run; a database takes half an hour to appear
_GRACE = 60.0  # seconds to write the state down
_FILE_LIMIT = 4 * 2**30  # bytes; the providers of large clouds are programs of some 800 MB
_LONGEST_TEXT = 256 * 1024  # characters; an output is kept with the Promotion
_IN_ARGUMENTS = ("plan", "apply")


class TerraformVariable(StepConfig):
    """A file of variables, or one variable."""

    file: str | None = Field(default=None, min_length=1)
    name: str | None = Field(default=None, pattern=r"^[a-zA-Z_][\w-]*$")
    value: str | None = Field(default=None, pattern=r"^[^\x00]*$", repr=False)

    @model_validator(mode="after")
    def _is_one_of_both(self) -> TerraformVariable:
        both = self.name is not None and self.value is not None
        neither = self.name is None and self.value is None
        if not (both if self.file is None else neither):
            raise ValueError("expected either file, or name and value")
        return self


class EnvironmentVariable(StepConfig):
    """A variable of the program's environment."""

    name: str = Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")
    value: str = Field(pattern=r"^[^\x00]*$", repr=False)


class TerraformConfig(StepConfig):
    """The folder of the configuration, and what it is given."""

    dir: str = Field(min_length=1)
    vars: tuple[TerraformVariable, ...] = ()
    env: tuple[EnvironmentVariable, ...] = ()


@dataclass(frozen=True)
class TerraformProgram:
    """Where the program is; `reads` is what it needs of this machine beside itself."""

    path: Path
    reads: tuple[Path, ...] = ()


def find_terraform() -> TerraformProgram:
    """Return OpenTofu where it is installed, else Terraform; raises TerminalStepError where neither is."""
    for name in ("tofu", "terraform"):
        with suppress(TerminalStepError):
            return TerraformProgram(find_program(name, {name: name}))
    raise TerminalStepError(
        "neither the program tofu nor terraform is installed on this machine: "
        "install OpenTofu or Terraform where Airfreight runs, on the PATH"
    )


FindProgram = Callable[[], TerraformProgram]


@dataclass(frozen=True)
class Terraform:
    """The program in the folder of a configuration, which is initialized."""

    context: StepContext
    place: Confined
    program: Path

    def call(self, command: str, *arguments: str, fine: tuple[int, ...] = (0,)) -> tuple[int, str]:
        """Return the exit status and what it printed; raises as `Confined.call` does."""
        status, text = self.place.call(self.program, command, "-no-color", *arguments, fine=fine)
        return status, text.strip()

    def report(
        self, command: str, *arguments: str, fine: tuple[int, ...] = (0,)
    ) -> tuple[int, str]:
        """Do the same, hide passwords, and write the text to the log; a long one comes back cut in the middle."""
        status, printed = self.call(command, *arguments, fine=fine)
        text = self.context.redact(printed)
        self.context.log.info("%s", text)
        return status, shortened(text)


@contextmanager
def terraform(
    context: StepContext, config: TerraformConfig, find: FindProgram, *, saved_plan: bool = False
) -> Iterator[Terraform]:
    """Give the program, after ``init``; what it downloads goes when the block ends.

    A `saved_plan` has its variables in it. Raises TerminalStepError where the setting forbids it.
    """
    if not context.settings.allow_terraform:
        raise TerminalStepError(
            "Terraform is not open here: a configuration starts programs of its own choice on the worker; "
            "whoever runs Airflow may turn the setting allow_terraform on"
        )
    folder = context.workdir.existing(config.dir)
    if not folder.is_dir():
        raise TerminalStepError(f"dir {config.dir!r}: there is no such folder")
    flags = () if saved_plan else tuple(_flags(context, config))
    program = find()
    with confined(context, network=True) as place:
        ready = replace(
            place,
            folder=folder,
            reads=(*program.reads, program.path),
            environment=_environment(config, place.home, flags),
            time_limit=_TIME_LIMIT,
            grace=_GRACE,
            file_limit=_FILE_LIMIT,
        )
        made = Terraform(context, ready, program.path)
        context.log.info("%s: %s", program.path.name, version_of(program.path, "version"))
        made.call("init", "-input=false")
        yield made


def below(context: StepContext, config: TerraformConfig, path: str) -> str:
    """Return a path that counts from `dir` as an argument; raises TerminalStepError where it leads out."""
    place = context.workdir.existing(f"{config.dir}/{path}")
    # Never a program's option, whatever it begins with.
    return f"./{os.path.relpath(place, context.workdir.existing(config.dir))}"


def file_below(context: StepContext, config: TerraformConfig, what: str, path: str) -> str:
    """Do the same for a file that is there; raises TerminalStepError where it is not, and names the field `what`."""
    argument = below(context, config, path)
    if not (context.workdir.existing(config.dir) / argument).is_file():
        raise TerminalStepError(f"{what}: there is no file {path} in {config.dir}")
    return argument


def shortened(text: str) -> str:
    """Return `text`, or where it is too long its beginning and its end."""
    half = _LONGEST_TEXT // 2
    if len(text) <= _LONGEST_TEXT:
        return text
    left_out = len(text) - 2 * half
    return f"{text[:half]}\n… {left_out} characters left out; all is in the log …\n{text[-half:]}"


def _flags(context: StepContext, config: TerraformConfig) -> Iterator[str]:
    """Yield the options for the variables in their order: the last one wins, also over the folder's own files."""
    for variable in config.vars:
        if variable.file is None:
            yield f"-var={variable.name}={variable.value}"
        else:
            yield f"-var-file={file_below(context, config, 'vars', variable.file)}"


def _environment(config: TerraformConfig, home: Path, flags: tuple[str, ...]) -> dict[str, str]:
    # Only plan and apply take such options in every version; `init` may need variables for its backend. A shell sets
    # none with a hyphen.
    arguments = " ".join(map(shlex.quote, flags))
    named = {f"TF_VAR_{v.name}": v.value or "" for v in config.vars if v.name and "-" not in v.name}
    return {
        **{variable.name: variable.value for variable in config.env},
        **named,
        **({f"TF_CLI_ARGS_{name}": arguments for name in _IN_ARGUMENTS} if flags else {}),
        "CHECKPOINT_DISABLE": "1",
        "TF_DATA_DIR": str(home / "terraform"),
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
    }

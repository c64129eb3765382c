"""Step git-tag (`kargo.md` §2.4)."""

from __future__ import annotations

from pydantic import Field

from airfreight.artifacts.git import GitClient, dated
from airfreight.errors import TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.git_signing import SigningKeys, signed
from airfreight.steps.git_worktree import Text, open_worktree, require_ref_name, step_errors


class GitTagConfig(StepConfig):
    """Which checkout's head to tag with what; Kargo's schema wants a message, so there are no light tags."""

    path: Text
    tag: str = Field(min_length=1)
    message: Text
    force: bool = False


class GitTagStep(PromotionStep[GitTagConfig]):
    """Puts an annotated tag on the head of a checkout, dated by the Promotion's start: a repeat makes the same tag.

    The tag stays in the clone until git-push sends it. Output: ``commit``, the full SHA that was tagged.

    :param keys: what the git-clone steps of this process brought to sign with.
    """

    kind = "git-tag"
    config_type = GitTagConfig
    outside_effect = ""

    def __init__(self, keys: SigningKeys | None = None) -> None:
        self._keys = keys or SigningKeys()

    def run(self, config: GitTagConfig, context: StepContext) -> StepResult:
        """Make the tag; one of this name that is another ends the step unless `force` is set."""
        require_ref_name(config.tag, "tag")
        with step_errors():
            worktree = open_worktree(context, config.path)
            reference = f"refs/tags/{config.tag}"
            before = worktree.git.attempt("rev-parse", "--verify", "--quiet", reference).stdout
            message = f"--message={config.message}"
            with signed(worktree.git, self._keys.find(worktree), context.started_at) as git:
                git.run(
                    *("tag", "--annotate", "--force", message, "--", config.tag, "HEAD"),
                    environment=dated(context.started_at),
                )
            made = worktree.git.run("rev-parse", reference)
            if before and before != made and not config.force:
                worktree.git.run("update-ref", reference, before, made)
                if not _made_before(worktree.git, before, made):
                    raise TerminalStepError(
                        f"there is a tag {config.tag!r} already, and it is another one: "
                        "choose another name, or set force"
                    )
                return StepResult(
                    output={"commit": worktree.git.run("rev-parse", f"{before}^{{commit}}")}
                )
            return StepResult(output={"commit": worktree.head})


def _made_before(git: GitClient, before: str, made: str) -> bool:
    """Say whether the tag `before` is what this Promotion made of an earlier HEAD, before others' commits came on top.

    Name, tagger, date and message tell; the date is the Promotion's start.
    """
    below = git.attempt("merge-base", "--is-ancestor", f"{before}^{{commit}}", "HEAD").status == 0
    return below and _label(git, before) == _label(git, made)


def _label(git: GitClient, tag: str) -> list[str]:
    """Return a tag without what it points at and without its signature, which covers that."""
    text = git.run("cat-file", "-p", tag)
    lines = text.partition("-----BEGIN ")[0].splitlines()
    return [line for line in lines if not line.startswith("object ")]

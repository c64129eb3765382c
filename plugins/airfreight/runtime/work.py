"""The working part of a promotion: work directory, engine, and the register kept up to date at each change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from airfreight.errors import SettingsError, TerminalStepError
from airfreight.model.promotion import PromotionStatus
from airfreight.model.waiting import Delivery
from airfreight.runtime.engine import PromotionEngine, give_up, needs_workdir, restart
from airfreight.runtime.fence import Fence
from airfreight.runtime.records import PromotionRecord
from airfreight.runtime.workspace import Workspace, restore, save
from airfreight.steps.git_worktree import repair_worktrees
from airfreight.steps.registry import StepRegistry
from airfreight.steps.workdir import WorkDirectory

EngineFor = Callable[[WorkDirectory, Callable[[PromotionStatus], object]], PromotionEngine]


@dataclass(frozen=True)
class PromotionWork:
    """Runs a Promotion until it ends or a step waits.

    `kept` names the file in which the work directory waits while a step defers. Where it is gone (the worker died
    before it was written) the Promotion starts at step 0 again with its outputs, as Kargo does after a lost directory.
    """

    record: PromotionRecord
    fence: Fence
    workspace: Workspace
    kept: Callable[[], Path]
    steps: StepRegistry
    engine_for: EngineFor
    clock: Callable[[], datetime]

    def run(self, delivered: Delivery | None = None) -> PromotionRecord:
        """Return the record as it is then; the register holds the same. `delivered` is what the step waited for."""
        workdir = self.workspace.create(self.record.promotion.name)
        try:
            record = self._record(self._worked(workdir, delivered))
            self.fence.check()
            self.fence.register.save(record)
            return record
        finally:
            self.workspace.remove(workdir)

    def _worked(self, workdir: WorkDirectory, delivered: Delivery | None) -> PromotionStatus:
        """Return how far it got; Errored where its work directory could not be restored or kept."""
        promotion, status = self.record.promotion, self.record.status
        try:
            status = self._resumed(workdir)
            engine = self.engine_for(workdir, self._save_progress)
            status = engine.run(promotion, status, delivered)
            if not status.phase.is_terminal and needs_workdir(promotion, status, self.steps):
                self.fence.check()
                save(workdir, self.kept())
        except (SettingsError, TerminalStepError) as error:
            return give_up(status, self.clock, str(error))
        return status

    def _resumed(self, workdir: WorkDirectory) -> PromotionStatus:
        status = self.record.status
        waited = status.retry_after is not None
        if waited and not needs_workdir(self.record.promotion, status, self.steps):
            return status
        if waited and restore(self.kept(), workdir):
            repair_worktrees(workdir.root)
            # Whoever dies from here on has changed what was kept: the next try starts afresh.
            self.kept().unlink(missing_ok=True)
            return status
        return restart(status)

    def _save_progress(self, status: PromotionStatus) -> None:
        """The engine calls this before it runs a step: who was taken over stops here."""
        self.fence.check()
        self.fence.register.save_progress(self._record(status))

    def _record(self, status: PromotionStatus) -> PromotionRecord:
        return self.record.model_copy(update={"status": status})

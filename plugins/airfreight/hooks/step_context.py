"""What steps get from a deployment: logins, settings, an HTTP client, a log, folders."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from airfreight.artifacts.guarded_http import guarded_client
from airfreight.errors import SettingsError
from airfreight.hooks.argocd import open_argocd
from airfreight.hooks.configuration import is_local_executor, read_settings, ui_base_url
from airfreight.hooks.repository import ConnectionCredentials, RepositoryHook
from airfreight.manifests.project import LoadedProject
from airfreight.model.promotion import InflatedStep, Promotion, PromotionStatus
from airfreight.runtime.channels import ProjectChannels
from airfreight.runtime.connection_secrets import ConnectionSecrets
from airfreight.runtime.engine import PromotionEngine
from airfreight.runtime.fence import Fence
from airfreight.runtime.functions import Sources
from airfreight.runtime.objects import ProjectObjects
from airfreight.runtime.settings import Settings
from airfreight.runtime.work import EngineFor
from airfreight.runtime.workspace import Workspace, remove_expired
from airfreight.steps.base import Operators, StepContext, StepLog, StepSettings
from airfreight.steps.registry import StepRegistry
from airfreight.steps.workdir import WorkDirectory


@dataclass(frozen=True)
class _Deployment:
    """What all steps of a promotion get, whichever engine runs them."""

    project: LoadedProject
    settings: Settings
    log: StepLog
    fence: Fence
    objects: ProjectObjects
    credentials: ConnectionCredentials
    step_settings: StepSettings
    sources: Sources
    operators: Operators
    notify: Callable[[str, Mapping[str, Any]], None]
    channels: ProjectChannels

    def context(
        self,
        workdir: WorkDirectory,
        step: InflatedStep,
        promotion: Promotion,
        previous: Mapping[str, Any] | None,
    ) -> StepContext:
        """Return the context of one run of a step; `previous` is what it put out before."""
        return StepContext(
            project=promotion.project,
            stage=promotion.stage,
            promotion=promotion.name,
            alias=step.alias,
            started_at=promotion.started_at,
            workdir=workdir,
            credentials=self.credentials,
            settings=self.step_settings,
            http=partial(guarded_client, allow_loopback=self.settings.allow_loopback),
            log=self.log,
            check_fence=self.fence.check,
            redact=self.sources.redact,
            previous_output=previous,
            objects=self.objects,
            freight=promotion.freight_collection,
            actor=promotion.actor,
            argocd=partial(
                open_argocd,
                self.project.connections,
                self.project.argocd_connection,
                self.settings,
            ),
            operators=self.operators,
            record_event=self.fence.register.record_event,
            channel=self.channels.open,
            notify=self.notify,
        )


def engine_maker(
    project: LoadedProject,
    registry: StepRegistry,
    clock: Callable[[], Any],
    log: StepLog,
    fence: Fence,
    objects: ProjectObjects,
    operators: Operators,
    notify: Callable[[str, Mapping[str, Any]], None],
) -> EngineFor:
    """Return what makes an engine for a work directory."""
    deployment = _deployment(project, log, fence, objects, operators, notify)
    settings = deployment.settings

    def engine_for(
        workdir: WorkDirectory, save_progress: Callable[[PromotionStatus], object]
    ) -> PromotionEngine:
        return PromotionEngine(
            registry=registry,
            context_for=partial(deployment.context, workdir),
            clock=clock,
            sleep=fence.stopped.wait,
            save_progress=save_progress,
            on_step=_Groups(log),
            sources=deployment.sources,
            ui_base_url=deployment.step_settings.ui_base_url,
            limits=deployment.step_settings.expression_limits,
            longest=timedelta(seconds=settings.max_promotion_duration),
        )

    return engine_for


def _deployment(
    project: LoadedProject,
    log: StepLog,
    fence: Fence,
    objects: ProjectObjects,
    operators: Operators,
    notify: Callable[[str, Mapping[str, Any]], None],
) -> _Deployment:
    settings = read_settings()
    return _Deployment(
        project=project,
        settings=settings,
        log=log,
        fence=fence,
        objects=objects,
        credentials=ConnectionCredentials(project.connections, project.credentials),
        step_settings=_step_settings(settings, ui_base_url()),
        sources=_sources(project, objects),
        operators=operators,
        notify=notify,
        channels=ProjectChannels(
            project.connections,
            project.channels,
            project.credentials,
            lambda name: RepositoryHook(name).get_conn(),
        ),
    )


def _step_settings(settings: Settings, address: str) -> StepSettings:
    """Return what steps obey: the settings of the same name, and what others mean to a step."""
    read: dict[str, Any] = {
        "ui_base_url": address,
        "expression_limits": settings.expression_limits(),
        "gate_look_interval": timedelta(seconds=settings.gate_look_interval),
        "roles": settings.user_roles(),
        "cache": settings.cache(),
    }
    same = {field.name for field in fields(StepSettings)} - read.keys()
    return StepSettings(**read, **{name: getattr(settings, name) for name in same})


def _sources(project: LoadedProject, objects: ProjectObjects) -> Sources:
    secrets = ConnectionSecrets(
        project.connections, project.credentials, lambda name: RepositoryHook(name).get_conn()
    )
    return Sources(
        config_maps={config.name: config.data for config in project.config_maps},
        secret=secrets.own,
        shared_secret=secrets.shared,
        redact=secrets.redact,
        stage_metadata=partial(objects.metadata, "Stage"),
        freight_metadata=partial(objects.metadata, "Freight"),
    )


class _Groups:
    """Folds each step's lines into a log group of Airflow's log view."""

    def __init__(self, log: StepLog) -> None:
        self._log = log

    def __call__(self, alias: str, event: str, message: str) -> None:
        if event == "start":
            self._log.info("::group::Step %s (%s)", alias, message)
            return
        self._log.info("::endgroup::")
        self._log.info("Step %s: %s", alias, message)


def workspace() -> Workspace:
    """Return where work directories are made."""
    return Workspace(_folder(read_settings()))


def kept_workdir(promotion: str) -> Path:
    """Return the file in which a Promotion's work directory waits while a step defers.

    Raises SettingsError where workers on several machines could not share it.
    """
    settings = read_settings()
    if not settings.shared_workspace_folder and not is_local_executor():
        raise SettingsError(
            "this promotion may wait, and any worker may go on with it: set [airfreight] "
            "shared_workspace_folder to a folder that all workers share"
        )
    return _kept(promotion, settings)


def drop_kept_workdir(promotion: str) -> None:
    """Delete the work directory that waits for a Promotion that has ended; one that cannot be reached expires."""
    with suppress(OSError, SettingsError):
        _kept(promotion, read_settings()).unlink(missing_ok=True)


def drop_expired_workdirs(now: datetime, log: StepLog) -> None:
    """Delete what died or forgotten promotions left in the folders that this machine sees."""
    settings = read_settings()
    oldest = now - settings.workspace_lifetime()
    for folder in (_folder(settings), _kept_folder(settings)):
        for name in remove_expired(folder, oldest):
            log.info("Deleted %s: nobody changed it since %s", folder / name, oldest)


def _kept(promotion: str, settings: Settings) -> Path:
    return _kept_folder(settings) / f"{promotion}.tar"


def _kept_folder(settings: Settings) -> Path:
    return Path(settings.shared_workspace_folder or _folder(settings) / "kept")


def _folder(settings: Settings) -> Path:
    return Path(settings.workspace_folder or Path(tempfile.gettempdir()) / "airfreight")

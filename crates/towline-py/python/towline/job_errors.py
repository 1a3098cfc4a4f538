"""Why a job has no result."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._towline import Outcome
    from .job import Job


class JobError(Exception):
    """A job that did not complete. What it received is there all the same.

    ``job`` is the job, ``outcome`` how it ended, and ``text`` what came of the answer.
    """

    def __init__(self, job: Job, outcome: Outcome) -> None:
        super().__init__(f"job {job.id} ({job.name}): {outcome}")
        self.job = job
        self.outcome = outcome

    @property
    def text(self) -> str:
        return self.job.text


class JobTruncated(JobError):
    """The stream ended without its terminal record: the answer is not whole."""


class JobCancelled(JobError):
    """Somebody stopped the job."""


class JobTimedOut(JobError, TimeoutError):
    """The job's deadline, or one of its clocks, ran out."""


class JobFailed(JobError):
    """The server said so, or the connection broke."""


class StillRunning(TimeoutError):
    """The time one wanted to wait is up. The job goes on."""


_BY_ENDING = {
    "truncated": JobTruncated,
    "cancelled": JobCancelled,
    "timed_out": JobTimedOut,
    "failed": JobFailed,
}


def job_error(job: Job, outcome: Outcome) -> JobError:
    """The exception for an outcome that is not ``completed``."""
    return _BY_ENDING[outcome.ending](job, outcome)

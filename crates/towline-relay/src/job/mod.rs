//! A job: one request to a model server, whose answer is a stream.

mod admission;
mod elsewhere;
mod ending;
mod holder;
pub(crate) mod name;
mod order;
mod question;
mod run;

pub(crate) use admission::{AdmissionLimits, AdmissionQueue, Claim, Group, Permit, QueueFull};
pub(crate) use ending::{Ended, error_record};
pub(crate) use holder::{ForwardedOrder, Holder, JobStatus, Outbox, Sent};
pub(crate) use order::{Attached, Head, Job};
pub(crate) use question::Question;
pub(crate) use run::{Finished, Task, run};

use std::sync::Arc;

use towline::relay::AnswerState;
use towline_core::dialect::Dialect;

use crate::meta::{Framing, Meta};

/// The state of a job, running or ended.
pub(crate) fn job_state(job: Option<&Arc<Job>>, meta: &Meta) -> Option<AnswerState> {
    let record = meta.job.as_ref()?;
    Some(
        record
            .ended
            .clone()
            .or_else(|| job.map(|job| job.snapshot().state))
            .unwrap_or(AnswerState::Interrupted),
    )
}

/// The requests whose answers are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    Chat,
    Generate,
    Pull,
    Push,
    Create,
    OpenAiChat,
    OpenAiCompletions,
    Responses,
    Messages,
}

impl Recorded {
    const ALL: [Self; 9] = [
        Self::Chat,
        Self::Generate,
        Self::Pull,
        Self::Push,
        Self::Create,
        Self::OpenAiChat,
        Self::OpenAiCompletions,
        Self::Responses,
        Self::Messages,
    ];

    pub(crate) fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|recorded| recorded.path() == path)
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Chat => "/api/chat",
            Self::Generate => "/api/generate",
            Self::Pull => "/api/pull",
            Self::Push => "/api/push",
            Self::Create => "/api/create",
            Self::OpenAiChat => "/v1/chat/completions",
            Self::OpenAiCompletions => "/v1/completions",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
        }
    }

    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Self::Chat | Self::Generate => Dialect::Ollama,
            Self::Pull | Self::Push | Self::Create => Dialect::OllamaProgress,
            Self::OpenAiChat | Self::OpenAiCompletions => Dialect::OpenAi,
            Self::Responses => Dialect::Responses,
            Self::Messages => Dialect::Messages,
        }
    }

    /// Whether it manages a server's models.
    pub(crate) fn keeps_models(self) -> bool {
        match self {
            Self::Pull | Self::Push | Self::Create => true,
            Self::Chat
            | Self::Generate
            | Self::OpenAiChat
            | Self::OpenAiCompletions
            | Self::Responses
            | Self::Messages => false,
        }
    }

    /// The framing of its answer. `stream` is the field of the request's body: Ollama's API streams by
    /// default, the others do not.
    pub(crate) fn framing(self, stream: Option<bool>) -> Framing {
        let (by_default, framing) = match self.dialect() {
            Dialect::Ollama | Dialect::OllamaProgress => (true, Framing::Lines),
            Dialect::OpenAi | Dialect::Responses | Dialect::Messages => (false, Framing::Events),
        };
        if stream.unwrap_or(by_default) { framing } else { Framing::Whole }
    }
}

//! Requests and responses, as Ollama's API has them.

pub use towline_core::api::{
    BadOption, ChatRequest, CloudStatus, CopyRequest, CreateRequest, DeleteRequest, EmbedRequest,
    EmbedResponse, EmbeddingsRequest, EmbeddingsResponse, Format, GenerateRequest, InstalledModel, KeepAlive,
    ListResponse, MeResponse, Message, ModelDetails, Options, PsResponse, PullRequest, PushRequest, Role,
    RunningModel, ShowRequest, ShowResponse, StatusResponse, Think, Tool, VersionResponse, WebFetchRequest,
    WebFetchResponse, WebResult, WebSearchRequest, WebSearchResponse,
};

pub use crate::schema::{arguments_as, json_schema, reply_as, tool};

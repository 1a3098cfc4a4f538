//! Web search and fetch, which ollama.com offers with an API key.

use serde::{Deserialize, Serialize};

use super::null_as_default;

/// A search request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct WebSearchRequest {
    /// The words.
    pub query: String,
    /// The maximum number of results. Server default: 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_results: Option<u32>,
}

/// A search response.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct WebSearchResponse {
    /// The results, best first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub results: Vec<WebResult>,
}

/// One result of a search.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct WebResult {
    /// The page's title.
    #[serde(default, deserialize_with = "null_as_default")]
    pub title: String,
    /// The page's address.
    #[serde(default, deserialize_with = "null_as_default")]
    pub url: String,
    /// The part of its text that matches the query.
    #[serde(default, deserialize_with = "null_as_default")]
    pub content: String,
}

/// A request to fetch a page.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct WebFetchRequest {
    /// The page's address.
    pub url: String,
}

/// A fetched page.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct WebFetchResponse {
    /// The page's title.
    #[serde(default, deserialize_with = "null_as_default")]
    pub title: String,
    /// Its text.
    #[serde(default, deserialize_with = "null_as_default")]
    pub content: String,
    /// The addresses to which it links.
    #[serde(default, deserialize_with = "null_as_default")]
    pub links: Vec<String>,
}

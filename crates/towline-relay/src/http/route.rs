//! Maps a path, in any spelling, to its route.

use percent_encoding::percent_decode_str;

/// The path of a request to the front. Doubled and trailing slashes are ignored, because Ollama's router
/// redirects them to the same route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// The canonical name of the route.
    pub(super) name: String,
    /// The target to forward, percent-encoded as it arrived.
    pub(super) target: String,
}

impl Route {
    /// `None` for a path that is not UTF-8 or contains `..`, so that no request leaves the base path of a
    /// model server.
    pub(super) fn of(path: &str) -> Option<Self> {
        let (mut name, mut target) = (String::new(), String::new());
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            let decoded = percent_decode_str(segment).decode_utf8().ok()?;
            if decoded.split(['/', '\\']).any(|part| matches!(part, "." | "..")) {
                return None;
            }
            name.push('/');
            name.push_str(&decoded);
            target.push('/');
            target.push_str(segment);
        }
        if name.is_empty() {
            (name, target) = ("/".into(), "/".into());
        }
        Some(Self { name, target })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_the_same_however_it_is_written() {
        for path in ["/api/chat", "/api/%63hat", "/api/chat/", "//api//chat", "/%61pi/chat//", "/api%2Fchat"]
        {
            assert_eq!(Route::of(path).unwrap().name, "/api/chat", "{path}");
        }
        for path in ["/", "//", ""] {
            assert_eq!(Route::of(path).unwrap().target, "/", "{path}");
        }
        let model = Route::of("/v1/models/a%2Fb%20c/").unwrap();
        assert_eq!(
            (model.name.as_str(), model.target.as_str()),
            ("/v1/models/a/b c", "/v1/models/a%2Fb%20c")
        );
    }

    #[test]
    fn no_path_climbs() {
        for path in
            ["/api/../x", "/api/%2e%2e/x", "/api/.%2E", "/api/..%2fx", "/api/..%5cx", "/./api", "/api/%ff"]
        {
            assert_eq!(Route::of(path), None, "{path}");
        }
        assert!(Route::of("/api/...").is_some());
    }
}

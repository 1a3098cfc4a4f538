//! The files of the page, which everybody who can reach the address may see. They contain no user data,
//! except the answers in the document for callers who may read them.

use std::sync::LazyLock;

use hyper::header::{ACCEPT, HeaderMap, IF_NONE_MATCH};
use hyper::{Method, StatusCode};
use sha2::{Digest as _, Sha256};
use towline::relay::Job;

use super::answer::{Answer, empty, set, typed};
use super::body::Body;
use crate::secret::hex;

/// A file of the page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! files {
    ($($name:literal: $content_type:expr),* $(,)?) => {
        [$(File { name: $name, content_type: $content_type, bytes: include_bytes!(concat!("../../page/", $name)) }),*]
    };
}

static FILES: [File; 14] = files! {
    "index.html": HTML,
    "style.css": CSS,
    "app.js": SCRIPT,
    "ask.js": SCRIPT,
    "inline.js": SCRIPT,
    "list.js": SCRIPT,
    "paper.js": SCRIPT,
    "reader.js": SCRIPT,
    "records.js": SCRIPT,
    "relay.js": SCRIPT,
    "words.js": SCRIPT,
    "manifest.json": "application/manifest+json",
    "icon.svg": "image/svg+xml",
    "icon.png": "image/png",
};

/// The placeholder in the document for the list of answers, which is empty.
const NO_JOBS: &str = "[]</script>";

/// Allows only the page's own scripts, styles and pictures; no text becomes markup or code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
     trusted-types 'none'";

/// Identifies the version of the files.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let mut digest = Sha256::new();
    for file in &FILES {
        digest.update(file.bytes);
    }
    format!("\"{}\"", hex(&digest.finalize()[..8]))
});

impl File {
    /// The file of a request. `/` is the page for clients that accept HTML; for Ollama's clients it is
    /// Ollama's.
    pub(super) fn of(method: &Method, path: &str, headers: &HeaderMap) -> Option<&'static Self> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let name = match path.strip_prefix("/page/") {
            Some(name) => name,
            None if path == "/" && takes_html(headers) => "index.html",
            None => return None,
        };
        FILES.iter().find(|file| file.name == name)
    }

    /// Whether it is the page's document, which shows the list of answers.
    pub(super) fn is_document(&self) -> bool {
        self.content_type == HTML
    }

    pub(super) fn answer(&self, headers: &HeaderMap) -> Answer {
        let given = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let mut answer = match given {
            Some(given) if given == *TAG => empty(StatusCode::NOT_MODIFIED),
            Some(_) | None => typed(StatusCode::OK, self.content_type, Body::whole(self.bytes)),
        };
        set(&mut answer, "etag", &TAG);
        guarded(answer, "no-cache")
    }

    /// The document with the first answers of its list, so that it shows them without another request.
    pub(super) fn answer_with(&self, jobs: &[Job]) -> Answer {
        // In JSON, `<` occurs only in texts, where it must not end the element.
        let jobs = serde_json::to_string(jobs).unwrap_or_default().replace('<', "\\u003c");
        let document = String::from_utf8_lossy(self.bytes).replacen(NO_JOBS, &(jobs + "</script>"), 1);
        guarded(typed(StatusCode::OK, self.content_type, Body::whole(document)), "no-store")
    }
}

/// Adds the headers for files of the page.
fn guarded(mut answer: Answer, kept: &str) -> Answer {
    for (name, value) in [
        ("cache-control", kept),
        ("vary", "Accept"),
        ("content-security-policy", POLICY),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        set(&mut answer, name, value);
    }
    answer
}

fn takes_html(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepts.flat_map(|value| value.split(','));
    types.any(|one| one.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_page_to_those_that_take_html() {
        let file = |method: Method, path, accept: &[&str]| {
            let mut headers = HeaderMap::new();
            for one in accept {
                headers.append(ACCEPT, one.parse().unwrap());
            }
            File::of(&method, path, &headers).map(|file| file.name)
        };
        assert_eq!(file(Method::GET, "/", &["application/xml, text/HTML;q=0.9"]), Some("index.html"));
        assert_eq!(file(Method::HEAD, "/", &["image/png", "text/html"]), Some("index.html"));
        for accept in [&[][..], &["*/*"], &["application/json"], &["text/htmlx"]] {
            assert_eq!(file(Method::GET, "/", accept), None, "{accept:?}");
        }
        assert_eq!(file(Method::POST, "/", &["text/html"]), None);
        assert_eq!(file(Method::GET, "/page/app.js", &[]), Some("app.js"));
        assert_eq!(file(Method::GET, "/page/../app.js", &[]), None);
        assert_eq!(file(Method::GET, "/page/nothing.js", &[]), None);
    }

    #[test]
    fn what_an_answer_says_stays_text_in_the_document() {
        let mut job = Job::new("a", towline::relay::AnswerState::Completed);
        job.question = Some("</script><b>".into());
        let document = FILES.iter().find(|file| file.is_document()).unwrap();
        let Body::Whole(Some(bytes)) = document.answer_with(&[job]).into_body() else { panic!() };
        let html = String::from_utf8(bytes.to_vec()).unwrap();
        let (_, island) = html.split_once("id=first>").unwrap();
        let (jobs, rest) = island.split_once("</script>").unwrap();
        assert!(rest.trim_start().starts_with("</body>"));
        let jobs: Vec<Job> = serde_json::from_str(jobs).unwrap();
        assert_eq!(jobs[0].question.as_deref(), Some("</script><b>"));
    }

    #[test]
    fn it_is_small() {
        let size = |is_read: bool| {
            let of_kind = |file: &&File| [HTML, CSS, SCRIPT].contains(&file.content_type) == is_read;
            FILES.iter().filter(of_kind).map(|file| file.bytes.len()).sum::<usize>()
        };
        let (read, icons) = (size(true), size(false));
        assert!(read <= 60 << 10 && icons <= 2 << 10, "{read} and {icons} bytes");
    }
}

//! The shape of the source tree: rules that a compiler does not check and a reviewer should not have to.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LONGEST_FILE_LINES: usize = 800;
const LONGEST_ARCHITECTURE_LINES: usize = 150;

/// The allowed dependencies of the pure core.
const CORE_DEPENDENCIES: &[&str] =
    &["base64", "httparse", "memchr", "percent-encoding", "serde", "serde_json", "thiserror"];

/// Names that the pure core may not use, because they give access to the outside world.
const NOT_IN_CORE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "std::process",
    "std::io",
    // A list of imports would hide the others.
    "std::{",
    "Instant::now",
    "SystemTime",
    "tokio",
];

/// Parsing an address needs no access to the outside world.
const BUT_IN_CORE: &[&str] = &["std::net::IpAddr", "std::net::Ipv4Addr", "std::net::Ipv6Addr"];

/// Names that the libraries of streams may not use: chats belong to the programs for people.
const NOT_IN_STREAMS: &[&str] = &["Conversation", "TurnId", "Markdown", "pulldown_cmark", "towline_app"];

/// Names that the crate shared by the programs for people may not use: it does not draw, print or parse arguments.
const NOT_IN_APP: &[&str] = &["clap", "egui", "println!", "print!", "std::env", "stdout()", "stderr()"];

/// Phrases that a reader has to decode; the glossary (`docs/glossary.md`) has the field's own words for them.
const NOT_ENGLISH: &[&str] = &[
    "reads on",
    "goes on",
    "go on with",
    "be had",
    "for ever",
    "anew",
    "in truth",
    "whoever",
    "takes up what",
    "counts more",
    "count more",
    "going on with",
    "as it comes",
    "as they come",
    "what there is",
    // An apostrophe counts as a blank.
    "one s own",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files of our own with this name ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !name.starts_with('.') && !matches!(name, "target" | "node_modules") {
            found.extend(files(&path, ending));
        } else if path.is_file() && name.ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tables of a manifest with their lines, comments left out.
fn tables(manifest: &Path) -> Vec<(String, Vec<String>)> {
    let mut tables = vec![(String::new(), Vec::new())];
    for line in read(manifest).lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => tables.push((name.to_owned(), Vec::new())),
            None => tables.last_mut().unwrap().1.push(line.to_owned()),
        }
    }
    tables
}

/// The name that a line of a dependency table begins with.
fn dependency(line: &str) -> &str {
    line.split(['.', '=', ' ']).next().unwrap()
}

#[test]
fn no_file_is_too_long() {
    for path in files(&root(), ".rs") {
        let lines = read(&path).lines().count();
        assert!(lines <= LONGEST_FILE_LINES, "{}: {lines} lines", path.display());
    }
    let architecture = root().join("ARCHITECTURE.md");
    if architecture.exists() {
        let lines = read(&architecture).lines().count();
        assert!(lines <= LONGEST_ARCHITECTURE_LINES, "{}: {lines} lines", architecture.display());
    }
}

#[test]
fn the_core_depends_on_nothing_that_acts() {
    let manifest = root().join("crates/towline-core/Cargo.toml");
    for (table, lines) in tables(&manifest) {
        if table == "dependencies" {
            for line in lines.iter().filter(|line| !line.is_empty()) {
                assert!(CORE_DEPENDENCIES.contains(&dependency(line)), "{}: {line}", manifest.display());
            }
        } else {
            let elsewhere = table.contains("dependencies") && table != "dev-dependencies";
            assert!(!elsewhere, "{}: one table of dependencies, not [{table}]", manifest.display());
        }
    }
}

#[test]
fn the_core_asks_nothing_of_the_world_outside() {
    for path in files(&root().join("crates/towline-core/src"), ".rs") {
        let text = if path.ends_with("tests.rs") { String::new() } else { read(&path) };
        // Tests inside a file are at its end.
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        for (number, line) in code.lines().enumerate() {
            let line = BUT_IN_CORE.iter().fold(line.to_owned(), |line, allowed| line.replace(allowed, ""));
            let line = line.split("//").next().unwrap();
            for name in NOT_IN_CORE {
                assert!(!line.contains(name), "{}:{}: {name}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn chats_are_in_the_crate_that_people_s_programs_share() {
    for (folder, forbidden) in [
        ("crates/towline-core/src", NOT_IN_STREAMS),
        ("crates/towline/src", NOT_IN_STREAMS),
        ("crates/towline-app/src", NOT_IN_APP),
    ] {
        for path in files(&root().join(folder), ".rs") {
            for (number, line) in read(&path).lines().enumerate() {
                // Words in quotes, such as names of headers, are not types.
                let code: String = line.split("//").next().unwrap().split('"').step_by(2).collect();
                for name in forbidden {
                    assert!(!code.contains(name), "{}:{}: {name}", path.display(), number + 1);
                }
            }
        }
    }
}

#[test]
fn the_words_are_those_of_the_glossary() {
    for ending in [".rs", ".md", ".py", ".pyi", ".ipynb", ".js", ".mjs", ".html", ".yaml"] {
        for path in files(&root(), ending) {
            // The list itself, and sentences that Brook has learned.
            if path.ends_with("tests/tidy.rs") || path.starts_with(root().join("models")) {
                continue;
            }
            // The words of a name count too.
            let text = read(&path).to_lowercase().replace('_', " ");
            for phrase in NOT_ENGLISH.iter().filter(|phrase| text.contains(**phrase)) {
                for (number, line) in text.lines().enumerate() {
                    let words = format!(" {} ", line.replace(|c: char| !c.is_ascii_alphanumeric(), " "));
                    assert!(
                        !words.contains(&format!(" {phrase} ")),
                        "{}:{}: {phrase}",
                        path.display(),
                        number + 1
                    );
                }
            }
        }
    }
}

/// Where the links of a document lead, but for those to other hosts.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target).filter(|target| !target.contains("://") && !target.contains(' '))
}

/// The anchors of a document's headings, as GitHub and mdbook make them.
fn anchors(text: &str) -> Vec<String> {
    let letter = |c: char| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        _ => c.is_alphanumeric().then(|| c.to_ascii_lowercase()),
    };
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| line.trim_start_matches('#').trim().chars().filter_map(letter).collect()).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    // Answers that tests render do not link to our files.
    for path in files(&root(), ".md").into_iter().filter(|path| !path.ends_with("answers/answers.md")) {
        for link in links(&read(&path)) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", path.display());
            let known = anchor.is_empty() || anchors(&read(&target)).iter().any(|heading| heading == anchor);
            assert!(known, "{}: {link}: there is no such heading", path.display());
        }
    }
}

#[test]
fn the_site_has_every_document() {
    let docs = root().join("docs");
    let summary = read(&docs.join("SUMMARY.md"));
    let listed: BTreeSet<PathBuf> = links(&summary).map(|link| docs.join(link)).collect();
    for path in files(&docs, ".md") {
        assert!(
            listed.contains(&path) || path.ends_with("SUMMARY.md"),
            "{} is not in SUMMARY.md",
            path.display()
        );
    }
}

#[test]
fn the_testkit_is_for_tests_only_and_knows_none_of_ours() {
    for manifest in files(&root(), "Cargo.toml") {
        let of_testkit = manifest.ends_with("towline-testkit/Cargo.toml");
        for (table, lines) in tables(&manifest) {
            for line in lines {
                let name = dependency(&line);
                let at = format!("{}: [{table}] {line}", manifest.display());
                assert!(
                    !of_testkit || !table.contains("dependencies") || !name.starts_with("towline"),
                    "{at}"
                );
                let allowed = matches!(table.as_str(), "dev-dependencies" | "workspace.dependencies")
                    || ["benches", "fuzz"].iter().any(|folder| manifest.starts_with(root().join(folder)));
                assert!(name != "towline-testkit" || allowed, "{at}");
            }
        }
    }
}

/// Crates in which the files and folders of `src` have no circular dependencies.
const WITHOUT_CIRCLES: &[&str] = &[
    "towline-core",
    "towline",
    "towline-app",
    "towline-relay",
    "towline-model",
    "towline-cli",
    "towline-gui",
    "towline-py",
];

#[test]
fn parts_of_a_crate_need_each_other_in_one_direction() {
    for name in WITHOUT_CIRCLES {
        let src = root().join("crates").join(name).join("src");
        let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for path in files(&src, ".rs") {
            let inside: Vec<&str> =
                path.strip_prefix(&src).unwrap().iter().map(|s| s.to_str().unwrap()).collect();
            let part = inside[0].trim_end_matches(".rs");
            if matches!(part, "lib" | "main") || inside.iter().any(|s| matches!(*s, "tests" | "tests.rs")) {
                continue;
            }
            let mut text = read(&path).split("#[cfg(test)]\nmod ").next().unwrap().to_owned();
            assert!(!text.contains("crate::{"), "{}: name each part in a line of its own", path.display());
            if inside.len() == 1 {
                text = text.replace("super::", "crate::");
            }
            let code: String = text.lines().map(|line| line.split("//").next().unwrap()).collect();
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let named = code.split("crate::").skip(1).map(|rest| rest.split(|c| !is_word(c)).next().unwrap());
            needs.entry(part.to_owned()).or_default().extend(named.filter(|n| *n != part).map(str::to_owned));
        }
        // A part that needs none of the remaining ones is not in a cycle.
        while let Some(free) = needs.iter().find(|(_, of)| of.iter().all(|part| !needs.contains_key(part))) {
            let free = free.0.clone();
            needs.remove(&free);
        }
        assert!(needs.is_empty(), "{name}: a circle among {:?}", needs.keys());
    }
}

/// The maximum number of crates, including our own, in a package on Linux. Everyone who builds it compiles
/// them all: a higher number needs a reason here.
const BUDGETS: &[(&str, &[&str], usize)] = &[
    ("towline", &[], 85),
    // 165, and SQLite with what it needs: the history (decision 8).
    // A phone's code (qrcode), and the certificate of the door that it comes in by (rcgen with its 7); what a shell completes
    // (clap_complete's engine, with is_executable); the text of a page (nanohtml2text).
    ("towline-cli", &[], 186),
    ("towline-cli", &["--no-default-features"], 126),
];

#[test]
fn no_package_has_more_crates_than_its_budget() {
    for (package, features, most) in BUDGETS {
        let tree = Command::new(env!("CARGO"))
            .current_dir(root())
            .args(["tree", "--locked", "--offline", "--target", "x86_64-unknown-linux-gnu"])
            .args(["--edges", "normal", "--prefix", "none", "--no-dedupe", "--package", package])
            .args(*features)
            .output()
            .unwrap();
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let crates: BTreeSet<_> = std::str::from_utf8(&tree.stdout)
            .unwrap()
            .lines()
            .map(|line| line.split(' ').take(2).collect::<Vec<_>>())
            .filter(|name| name.len() == 2)
            .collect();
        assert!(crates.len() > 10, "{package}: {crates:?}");
        assert!(crates.len() <= *most, "{package} {features:?}: {} crates, at most {most}", crates.len());
    }
}

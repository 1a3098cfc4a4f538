//! `towline template`.

use std::path::PathBuf;

use towline_app::settings::templates;

use crate::args::{TemplateArgs, TemplateVerb};
use crate::exit::Exit;
use crate::exit::failure::{Complaint, Failure};
use crate::output::table::padded;
use crate::output::{self, Out};
use crate::term::external;

/// The initial text of a new template.
const NEW: &str = "---\n# model = \"qwen3\"\n# system = \"You review code.\"\n# options = { temperature = 0.2 }\n---\n{{input}}\n";

/// Lists, shows or edits.
pub fn run(args: &TemplateArgs) -> Result<Exit, Failure> {
    let folder = folder()?;
    match &args.verb {
        None | Some(TemplateVerb::List) => {
            let names = templates::names(&folder);
            let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
            let mut out = Out::new();
            for name in &names {
                let about = match templates::read(&folder, name) {
                    Ok(template) => {
                        let fields: Vec<String> =
                            template.fields().iter().map(|field| format!("{{{{{field}}}}}")).collect();
                        fields.join(" ")
                    }
                    Err(wrong) => wrong,
                };
                out.line(format!("{}  {about}", padded(name, width)).trim_end())?;
            }
            if names.is_empty() {
                output::note(&format!(
                    "there is no template in {}; towline template edit NAME creates one",
                    folder.display()
                ));
            }
        }
        Some(TemplateVerb::Show { name }) => {
            templates::read(&folder, name).map_err(Failure::usage)?;
            let path = templates::path(&folder, name).map_err(Failure::usage)?;
            let text = std::fs::read_to_string(&path).map_err(|error| local(&path, &error))?;
            let mut out = Out::new();
            out.text(&text)?;
            out.finish_text()?;
            out.end_line()?;
        }
        Some(TemplateVerb::Edit { name }) => {
            let path = templates::path(&folder, name).map_err(Failure::usage)?;
            if !path.exists() {
                std::fs::create_dir_all(&folder)
                    .and_then(|()| std::fs::write(&path, NEW))
                    .map_err(|error| local(&path, &error))?;
            }
            external::open(&path).map_err(|error| local(&path, &error))?;
            if let Err(wrong) = templates::read(&folder, name) {
                output::warning(&wrong);
            }
        }
    }
    Ok(Exit::Completed)
}

/// The folder of the templates.
pub fn folder() -> Result<PathBuf, Failure> {
    templates::folder().ok_or_else(|| Failure::usage("there is no home folder, so there are no templates"))
}

fn local(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::Local(Complaint::new(format!("{}: {error}", path.display())))
}

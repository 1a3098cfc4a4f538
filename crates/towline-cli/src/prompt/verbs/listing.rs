//! `jobs`.

use crate::output::json;
use crate::prompt::command::Listing;
use crate::prompt::notice;
use crate::prompt::state::Prompt;
use crate::term::screen::Tone;

impl Prompt<'_> {
    pub(super) fn list_jobs(&mut self, listing: Listing) {
        let mut lines = Vec::new();
        let mut shown = Vec::new();
        for entry in self.jobs.listed() {
            let word = entry.item.word();
            let is_news = entry.item.shown != Some(word);
            if (listing.running && !entry.item.is_running()) || (listing.news && !is_news) {
                continue;
            }
            let mark = self.jobs.mark(entry.number);
            lines.push(if listing.json {
                json::line(&notice::as_json(entry, mark)).trim_end().to_owned()
            } else if entry.item.is_over() {
                notice::notice(entry, mark)
            } else {
                notice::listed(entry, mark, listing.long)
            });
            shown.push((entry.number, word));
        }
        for line in lines {
            self.print(Tone::Plain, &line);
        }
        self.list_relay_jobs(listing);
        for (number, word) in shown {
            let Some(item) = self.item_mut(number) else { continue };
            item.shown = Some(word);
            // Listing a job that has ended reports it, as in bash.
            if item.outcome.is_some() && !item.in_front {
                self.report(number);
            }
        }
    }
}

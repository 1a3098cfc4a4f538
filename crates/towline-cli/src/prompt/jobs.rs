//! A shell's job table: numbers, the marks `+` and `-`, reported jobs. It is generic over the job.

use super::spec::{Spec, SpecError};

/// Maximum number of ended jobs whose results stay available.
const MAX_ENDED: usize = 100;

/// A job's entry in the table.
#[derive(Debug)]
pub struct Entry<T> {
    /// Its number, which is reused after its end was reported.
    pub number: u32,
    /// Unique in the table.
    pub key: u64,
    /// The name given to it, or the model's.
    pub name: String,
    /// Its name on the relay that runs it.
    pub handle: Option<String>,
    /// The typed text.
    pub text: String,
    /// The job.
    pub item: T,
}

impl<T> Entry<T> {
    fn begins(&self, start: &str) -> bool {
        self.name.starts_with(start) || self.text.starts_with(start)
    }

    fn contains(&self, part: &str) -> bool {
        self.name.contains(part) || self.text.contains(part)
    }
}

/// The table.
#[derive(Debug)]
pub struct Jobs<T> {
    /// By number.
    listed: Vec<Entry<T>>,
    /// Reported jobs that are no longer listed, newest first.
    reported: Vec<Entry<T>>,
    /// The numbers of listed jobs that have been in the background, the most recently touched last.
    touched: Vec<u32>,
    last_key: u64,
}

impl<T> Default for Jobs<T> {
    fn default() -> Self {
        Self { listed: Vec::new(), reported: Vec::new(), touched: Vec::new(), last_key: 0 }
    }
}

impl<T> Jobs<T> {
    /// Adds a job under the smallest free number.
    pub fn add(&mut self, name: &str, text: &str, item: T) -> u32 {
        let taken = self.listed.iter().map(|entry| entry.number);
        let number = (1..).zip(taken).find(|(free, taken)| free != taken);
        let number = number.map_or(self.listed.len() as u32 + 1, |(free, _)| free);
        self.last_key += 1;
        let (name, text) = (name.to_owned(), text.to_owned());
        let entry = Entry { number, key: self.last_key, name, handle: None, text, item };
        let place = self.listed.partition_point(|entry| entry.number < number);
        self.listed.insert(place, entry);
        number
    }

    /// The listed jobs, by number.
    pub fn listed(&self) -> impl Iterator<Item = &Entry<T>> {
        self.listed.iter()
    }

    /// The ended jobs whose results are still available, newest first.
    pub fn reported(&self) -> impl Iterator<Item = &Entry<T>> {
        self.reported.iter()
    }

    /// The key of the most recently added job.
    pub fn last_key(&self) -> u64 {
        self.last_key
    }

    /// The job with this key, listed or reported.
    pub fn of_key(&self, key: u64) -> Option<&Entry<T>> {
        self.listed.iter().chain(&self.reported).find(|entry| entry.key == key)
    }

    /// The number of the listed job with this key.
    pub fn number_of(&self, key: u64) -> Option<u32> {
        self.listed.iter().find(|entry| entry.key == key).map(|entry| entry.number)
    }

    /// The listed job with this number.
    pub fn get(&self, number: u32) -> Option<&Entry<T>> {
        self.listed.iter().find(|entry| entry.number == number)
    }

    /// The listed job with this number.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Entry<T>> {
        self.listed.iter_mut().find(|entry| entry.number == number)
    }

    /// Makes the job the current one.
    pub fn touch(&mut self, number: u32) {
        self.touched.retain(|other| *other != number);
        self.touched.push(number);
    }

    /// Called when the job comes to the foreground: it is then neither the current nor the previous
    /// background job.
    pub fn untouch(&mut self, number: u32) {
        self.touched.retain(|other| *other != number);
    }

    /// Called when the job's end was reported: it leaves the list, and its number becomes free. Its result
    /// stays available.
    pub fn report(&mut self, number: u32) {
        self.untouch(number);
        if let Some(place) = self.listed.iter().position(|entry| entry.number == number) {
            let entry = self.listed.remove(place);
            self.reported.insert(0, entry);
            self.reported.truncate(MAX_ENDED);
        }
    }

    /// Forgets the ended jobs.
    pub fn forget_reported(&mut self) {
        self.reported.clear();
    }

    /// The number of the current job.
    pub fn current(&self) -> Option<u32> {
        self.touched.last().copied()
    }

    /// The number of the previous job; if there is only one job, that one, as in bash.
    pub fn previous(&self) -> Option<u32> {
        self.touched.iter().rev().nth(1).or(self.touched.last()).copied()
    }

    /// `+`, `-` or a blank.
    pub fn mark(&self, number: u32) -> char {
        if self.current() == Some(number) {
            '+'
        } else if self.previous() == Some(number) {
            '-'
        } else {
            ' '
        }
    }

    /// The job that a jobspec names: a listed one, or, if `ended` is true, one whose end was reported.
    pub fn resolve(&self, spec: &Spec, ended: bool) -> Result<&Entry<T>, SpecError> {
        let missing = || SpecError::NoSuchJob(spec.clone());
        let numbered = |number: u32| self.listed.iter().find(|entry| entry.number == number);
        let reported = || self.reported.iter().filter(|_| ended);
        match spec {
            Spec::Number(number) => numbered(*number)
                .or_else(|| reported().find(|entry| entry.number == *number))
                .ok_or_else(missing),
            Spec::Current => {
                self.current().and_then(numbered).or_else(|| reported().next()).ok_or_else(missing)
            }
            Spec::Previous => self.previous().and_then(numbered).ok_or_else(missing),
            Spec::Begins(start) => self.only(spec, ended, |entry| entry.begins(start)),
            Spec::Contains(part) => self.only(spec, ended, |entry| entry.contains(part)),
            Spec::Named(name) => {
                self.only(spec, ended, |entry| entry.name == *name || entry.handle.as_deref() == Some(name))
            }
        }
    }

    fn only(
        &self,
        spec: &Spec,
        ended: bool,
        fits: impl Fn(&Entry<T>) -> bool,
    ) -> Result<&Entry<T>, SpecError> {
        let mut fitting = self.listed.iter().filter(|entry| fits(entry));
        match (fitting.next(), fitting.next()) {
            (Some(entry), None) => Ok(entry),
            (Some(_), Some(_)) => Err(SpecError::Ambiguous(spec.clone())),
            (None, _) => {
                let mut reported = self.reported.iter().filter(|_| ended);
                reported.find(|entry| fits(entry)).ok_or_else(|| SpecError::NoSuchJob(spec.clone()))
            }
        }
    }

    /// Removes the job and its result.
    pub fn forget(&mut self, number: u32) {
        self.untouch(number);
        self.listed.retain(|entry| entry.number != number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays moves on a table: `a` adds, `t2` touches, `f2` brings to the foreground, `r2` reports. Returns
    /// the list with its marks.
    fn played(moves: &str) -> (Jobs<()>, String) {
        let mut jobs = Jobs::default();
        for one in moves.split_whitespace() {
            let (verb, number) = one.split_at(1);
            let number = || number.parse().unwrap();
            match verb {
                "a" => {
                    let number = jobs.add(&one[1..], "some text", ());
                    jobs.touch(number);
                }
                "q" => drop(jobs.add("front", "some text", ())),
                "t" => jobs.touch(number()),
                "f" => jobs.untouch(number()),
                "r" => jobs.report(number()),
                other => unreachable!("{other}"),
            }
        }
        let marked = jobs.listed().map(|entry| format!("{}{}", entry.number, jobs.mark(entry.number)));
        let shown = marked.collect::<Vec<_>>().join(" ").replace("  ", " ").trim().to_owned();
        (jobs, shown)
    }

    #[test]
    fn numbers_and_marks() {
        for (moves, shown) in [
            ("a", "1+"),
            ("a a", "1- 2+"),
            ("a a a", "1 2- 3+"),
            ("a a a r2", "1- 3+"),
            ("a a a r2 a", "1 2+ 3-"),
            ("a a r1 r2 a", "1+"),
            ("a a t1", "1+ 2-"),
            ("a q", "1+ 2"),
            ("a a f2", "1+ 2"),
            ("a q t2", "1- 2+"),
            ("a a a t1 r1", "2- 3+"),
        ] {
            assert_eq!(played(moves).1, shown, "{moves}");
        }
    }

    #[test]
    fn specs() {
        let (mut jobs, _) = played("agemma agemini aqwen rqwen".trim_end_matches("rqwen"));
        jobs.get_mut(2).unwrap().text = "about rivers".into();
        jobs.get_mut(3).unwrap().handle = Some("tell-a-story".into());
        for (text, found) in [
            ("%1", Ok(1)),
            ("%%", Ok(3)),
            ("%-", Ok(2)),
            ("%qw", Ok(3)),
            ("%?river", Ok(2)),
            ("%=tell-a-story", Ok(3)),
            ("%gem", Err("gem: ambiguous job spec")),
            ("%?e", Err("e: ambiguous job spec")),
            ("%9", Err("%9: no such job")),
            ("%zz", Err("%zz: no such job")),
        ] {
            let spec: Spec = text.parse().unwrap();
            let resolved =
                jobs.resolve(&spec, false).map(|entry| entry.number).map_err(|error| error.to_string());
            assert_eq!(resolved, found.map_err(str::to_owned), "{text}");
        }
        let none = Jobs::<()>::default();
        let none =
            none.resolve(&Spec::Current, true).map(|entry| entry.number).map_err(|error| error.to_string());
        assert_eq!(none, Err("current: no such job".to_owned()));
    }

    #[test]
    fn a_reported_job_is_out_of_the_list_and_within_reach() {
        let (mut jobs, _) = played("ared ablue r1");
        let found = |jobs: &Jobs<()>, spec: &Spec, ended| {
            jobs.resolve(spec, ended).map(|entry| entry.name.clone()).ok()
        };
        let red = Spec::Begins("red".into());
        assert_eq!(found(&jobs, &Spec::Number(1), false), None);
        assert_eq!(found(&jobs, &Spec::Number(1), true).as_deref(), Some("red"));
        assert_eq!(jobs.add("green", "", ()), 1);
        assert_eq!(found(&jobs, &Spec::Number(1), true).as_deref(), Some("green"));
        assert_eq!(found(&jobs, &red, true).as_deref(), Some("red"));
        jobs.forget(1);
        assert_eq!(found(&jobs, &Spec::Number(1), true).as_deref(), Some("red"));
        jobs.report(2);
        assert_eq!(found(&jobs, &Spec::Current, true).as_deref(), Some("blue"), "the last that was reported");
        jobs.forget_reported();
        assert_eq!(found(&jobs, &red, true), None);
    }
}

//! Searches conversations for text, most recently changed ones first.
//!
//! A trigram index knows the places of every three characters. If few places match, all of them are fetched
//! and sorted. If many match, the conversations are walked from the newest one, and the index is read from
//! its newest place, both only as far as the requested list needs. A text of one or two characters is found
//! through the trigrams that begin with it; the end of a text begins no trigram, so ends have an index of
//! their own.

use std::collections::{BTreeSet, HashMap, HashSet};

use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Rows, params_from_iter};

use super::find::{ASKS, SearchHit};
use super::{ChatId, History, HistoryError, find, tags_of};

/// Number of characters shown around a match.
const AROUND_CHARS: usize = 60;
/// The length of the index's entries, in characters.
const INDEXED_CHARS: usize = 3;

/// The thresholds above which a text is so common that another strategy is faster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common {
    /// Number of places of one kind. Above it, conversations are walked.
    pub(super) places: usize,
    /// Number of trigrams that begin with the same one or two characters. Above it, the texts themselves are
    /// read.
    pub(super) threes: usize,
    /// Number of conversations whose texts are read for one or two characters before the index is used,
    /// because most such texts occur in nearly every conversation.
    pub(super) chats: usize,
}

const COMMON: Common = Common { places: 1_000, threes: 500, chats: 200 };

/// Where a text can occur, apart from a title.
#[derive(Debug, Clone, Copy)]
enum Column {
    Question,
    Answer,
    /// The wording of one answer's question.
    Own,
}

impl Column {
    const ALL: [Self; 3] = [Self::Question, Self::Answer, Self::Own];

    /// The table, and its column.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Question => ("turn", "question"),
            Self::Answer => ("variant", "text"),
            Self::Own => ("variant", "words"),
        }
    }

    /// The index, and the list of its trigrams.
    fn index(self) -> (&'static str, &'static str) {
        match self {
            Self::Question => ("question_words", "question_threes"),
            Self::Answer => ("answer_words", "answer_threes"),
            Self::Own => ("variant_words", "variant_threes"),
        }
    }

    /// The path from a place to its conversation.
    fn chats(self) -> &'static str {
        match self {
            Self::Question => {
                "SELECT chat.updated, chat.id FROM turn JOIN chat ON chat.id = turn.chat WHERE turn.id = ?1"
            }
            Self::Answer | Self::Own => {
                "SELECT chat.updated, chat.id FROM variant JOIN turn ON turn.id = variant.turn
                 JOIN chat ON chat.id = turn.chat WHERE variant.id = ?1"
            }
        }
    }
}

/// Where a conversation has the text.
#[derive(Debug, Clone, Copy)]
enum MatchLocation {
    In(Column, i64),
    /// In a running answer.
    Running(i64),
    Title,
}

/// The text so far of a variant whose answer has not ended.
const PIECES: &str =
    "variant.text || coalesce((SELECT group_concat(piece.text, '' ORDER BY piece.id) FROM piece
    WHERE piece.variant = variant.id AND NOT piece.thinking), '')";

impl History {
    /// The conversations with a text in a question, an answer or their title, in any case; the last written
    /// first, at most `limit`. Of words like `tag:rust` in the text, a conversation has the tags; of them alone, those that have them
    /// are [listed](Self::tagged).
    ///
    /// # Errors
    /// Those of the database.
    pub fn search(&self, text: &str, limit: usize) -> Result<Vec<SearchHit>, HistoryError> {
        self.search_with(text, limit, COMMON)
    }

    pub(super) fn search_with(
        &self,
        text: &str,
        limit: usize,
        common: Common,
    ) -> Result<Vec<SearchHit>, HistoryError> {
        let (text, tags) = &wanted(text);
        if text.is_empty() {
            let listed = if tags.is_empty() { Vec::new() } else { self.tagged(tags, limit)? };
            return Ok(listed
                .into_iter()
                .map(|chat| SearchHit { around: chat.title.clone(), chat })
                .collect());
        }
        // One consistent view while several programs write.
        let view = self.database.unchecked_transaction()?;
        let locations = locations(&view, (text, tags), limit, common)?;
        let found = locations.into_iter().map(|(chat, location)| {
            let chat = self.summary(chat)?;
            let words = match location {
                MatchLocation::Title => chat.title.clone(),
                MatchLocation::In(column, id) => words_at(&view, column, id)?,
                MatchLocation::Running(id) => {
                    let sql = format!("SELECT {PIECES} FROM variant WHERE id = ?1");
                    view.prepare_cached(&sql)?.query_row([id], |row| row.get(0))?
                }
            };
            Ok(SearchHit { around: around(&words, text), chat })
        });
        found.collect()
    }
}

/// The text that is wanted, and the tags that are named in it.
fn wanted(text: &str) -> (String, Vec<String>) {
    let (tags, words): (Vec<&str>, Vec<&str>) =
        text.split_whitespace().partition(|word| word.len() > 4 && word.starts_with("tag:"));
    let text = if tags.is_empty() { text.trim().to_owned() } else { words.join(" ") };
    let tags: Vec<&str> = tags.iter().filter_map(|word| word.strip_prefix("tag:")).collect();
    (text, tags_of(&tags.join(" ")))
}

/// The conversations that have all of these tags.
fn tagged(view: &Connection, tags: &[String]) -> Result<HashSet<i64>, rusqlite::Error> {
    let sql = format!("SELECT id FROM chat WHERE ?1{}", find::has_tags(tags));
    let mut chats = view.prepare_cached(&sql)?;
    let values = [Value::Integer(1)].into_iter().chain(find::values(tags));
    chats.query_map(params_from_iter(values), |row| row.get(0))?.collect()
}

fn words_at(view: &Connection, column: Column, id: i64) -> Result<String, rusqlite::Error> {
    let (table, name) = column.names();
    view.prepare_cached(&format!("SELECT {name} FROM {table} WHERE id = ?1"))?
        .query_row([id], |row| row.get(0))
}

/// The conversations that have a text, and where.
fn locations(
    view: &Connection,
    (text, tags): (&str, &[String]),
    limit: usize,
    common: Common,
) -> Result<Vec<(ChatId, MatchLocation)>, rusqlite::Error> {
    let spellings = Spellings::of(text);
    let tagged = if tags.is_empty() { None } else { Some(tagged(view, tags)?) };
    if let Spellings::Short(_) = spellings {
        let lists = Column::ALL.into_iter().map(|column| Ok((column, List::read(view, column, &spellings)?)));
        let lists = lists.collect::<Result<_, rusqlite::Error>>()?;
        let found = Search::new(view, &spellings, tagged.as_ref(), lists)?.walk(limit, common.chats)?;
        if found.len() == limit {
            return Ok(found);
        }
    }
    let mut statements = Vec::new();
    for column in Column::ALL {
        let index = column.index().0;
        let sql = format!("SELECT rowid FROM {index} WHERE {index} MATCH ?1 ORDER BY rowid DESC");
        statements.push(view.prepare_cached(&sql)?);
    }
    let mut lists = Vec::new();
    let mut are_few = true;
    for (column, statement) in Column::ALL.into_iter().zip(&mut statements) {
        let mut list = List::of(view, column, statement, &spellings, common.threes)?;
        are_few = are_few && list.are_few(common.places)?;
        lists.push((column, list));
    }
    let mut search = Search::new(view, &spellings, tagged.as_ref(), lists)?;
    if !are_few {
        return search.walk(limit, usize::MAX);
    }
    let mut found = Vec::new();
    for chat in search.of_few()? {
        if found.len() == limit {
            break;
        }
        found.extend(search.locate(chat)?.map(|location| (ChatId(chat), location)));
    }
    Ok(found)
}

struct Search<'s> {
    view: &'s Connection,
    spellings: &'s Spellings,
    /// Those that have the tags, where some are wanted.
    tagged: Option<&'s HashSet<i64>>,
    /// The conversations with a running answer that has the text, and that answer.
    pieces: HashMap<i64, i64>,
    lists: Vec<(Column, List<'s>)>,
}

impl<'s> Search<'s> {
    fn new(
        view: &'s Connection,
        spellings: &'s Spellings,
        tagged: Option<&'s HashSet<i64>>,
        lists: Vec<(Column, List<'s>)>,
    ) -> Result<Self, rusqlite::Error> {
        Ok(Self { view, pieces: pieces(view, spellings)?, spellings, tagged, lists })
    }

    /// Checks up to `most` conversations, newest first, until `limit` of them have the text.
    fn walk(&mut self, limit: usize, most: usize) -> Result<Vec<(ChatId, MatchLocation)>, rusqlite::Error> {
        let mut found = Vec::new();
        let mut chats =
            self.view.prepare_cached("SELECT id FROM chat ORDER BY updated DESC, id DESC LIMIT ?1")?;
        let mut chats = chats.query([i64::try_from(most).unwrap_or(i64::MAX)])?;
        while found.len() < limit
            && let Some(row) = chats.next()?
        {
            let chat = row.get(0)?;
            found.extend(self.locate(chat)?.map(|location| (ChatId(chat), location)));
        }
        Ok(found)
    }

    /// Where a conversation has the text: in its last matching turn. A conversation without a question never
    /// matches.
    fn locate(&mut self, chat: i64) -> Result<Option<MatchLocation>, rusqlite::Error> {
        if self.tagged.is_some_and(|tagged| !tagged.contains(&chat)) {
            return Ok(None);
        }
        let mut turns = self.view.prepare_cached(
            "SELECT turn.id, variant.id FROM turn JOIN variant ON variant.turn = turn.id WHERE turn.chat = ?1
             ORDER BY turn.number DESC, variant.number DESC",
        )?;
        let mut turns = turns.query([chat])?;
        let mut has_question = false;
        while let Some(row) = turns.next()? {
            has_question = true;
            let (turn, variant) = (row.get(0)?, row.get(1)?);
            for (column, list) in &mut self.lists {
                let id = match column {
                    Column::Question => turn,
                    Column::Answer | Column::Own => variant,
                };
                if list.has(id)? {
                    return Ok(Some(MatchLocation::In(*column, id)));
                }
            }
        }
        if let Some(variant) = self.pieces.get(&chat) {
            return Ok(Some(MatchLocation::Running(*variant)));
        }
        let sql = format!("SELECT {} FROM chat WHERE id = ?1", self.spellings.in_title());
        let mut title = self.view.prepare_cached(&sql)?;
        let is_titled = has_question && title.query_row(self.spellings.with(chat), |row| row.get(0))?;
        Ok(is_titled.then_some(MatchLocation::Title))
    }

    /// Every conversation that has the text, if the lists were read to their ends.
    fn of_few(&self) -> Result<Vec<i64>, rusqlite::Error> {
        let mut chats = BTreeSet::new();
        let mut add = |sql: &str, id: i64| {
            let found = self.view.prepare_cached(sql)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)));
            chats.extend(found.optional()?);
            Ok::<_, rusqlite::Error>(())
        };
        for (column, list) in &self.lists {
            list.known().into_iter().flatten().try_for_each(|id| add(column.chats(), *id))?;
        }
        self.pieces.keys().try_for_each(|chat| add("SELECT updated, id FROM chat WHERE id = ?1", *chat))?;
        let sql =
            format!("SELECT updated, id FROM chat WHERE {} AND {ASKS} AND ?1", self.spellings.in_title());
        let mut titled = self.view.prepare_cached(&sql)?;
        let titled = titled.query_map(self.spellings.with(1), |row| Ok((row.get(0)?, row.get(1)?)))?;
        for chat in titled {
            chats.insert(chat?);
        }
        Ok(chats.into_iter().rev().map(|(_, chat): (i64, i64)| chat).collect())
    }
}

/// The places of one kind that have a text.
enum List<'s> {
    /// The places from the index.
    Indexed { newest: Rows<'s>, known: HashSet<i64>, down_to: i64 },
    /// Each place is checked.
    Read { is_there: CachedStatement<'s>, spellings: &'s Spellings },
}

impl<'s> List<'s> {
    /// `matches` returns the entries of the index, newest first.
    fn of(
        view: &'s Connection,
        column: Column,
        matches: &'s mut CachedStatement<'_>,
        spellings: &'s Spellings,
        most_threes: usize,
    ) -> Result<Self, rusqlite::Error> {
        let mut known = HashSet::new();
        let phrase = match spellings {
            Spellings::Indexed(text) => quoted(text),
            Spellings::Short(short) => {
                let Some(threes) = threes(view, column, short, most_threes)? else {
                    return Self::read(view, column, spellings);
                };
                known = at_the_end(view, column, spellings)?;
                // No text matches an empty phrase, and an expression without a phrase is invalid.
                let first = quoted("");
                threes.iter().fold(first, |all, three| all + " OR " + &quoted(three))
            }
        };
        Ok(Self::Indexed { newest: matches.query([phrase])?, known, down_to: i64::MAX })
    }

    fn read(view: &'s Connection, column: Column, spellings: &'s Spellings) -> Result<Self, rusqlite::Error> {
        let (table, name) = column.names();
        let sql = format!("SELECT {} FROM {table} WHERE id = ?1", spellings.within(name));
        Ok(Self::Read { is_there: view.prepare_cached(&sql)?, spellings })
    }

    /// Whether it has at most `most` places. If so, it is read to its end.
    fn are_few(&mut self, most: usize) -> Result<bool, rusqlite::Error> {
        match self {
            Self::Read { .. } => Ok(false),
            Self::Indexed { newest, known, down_to } => {
                while known.len() <= most && *down_to > i64::MIN {
                    read(newest, known, down_to)?;
                }
                Ok(*down_to == i64::MIN)
            }
        }
    }

    fn known(&self) -> Option<&HashSet<i64>> {
        match self {
            Self::Indexed { known, .. } => Some(known),
            Self::Read { .. } => None,
        }
    }

    fn has(&mut self, id: i64) -> Result<bool, rusqlite::Error> {
        match self {
            Self::Indexed { newest, known, down_to } => {
                while *down_to > id {
                    read(newest, known, down_to)?;
                }
                Ok(known.contains(&id))
            }
            Self::Read { is_there, spellings } => {
                let found = is_there.query_row(spellings.with(id), |row| row.get::<_, Option<bool>>(0));
                Ok(found.optional()?.flatten().unwrap_or(false))
            }
        }
    }
}

/// Reads one more place. Then all places above `down_to` are known.
fn read(newest: &mut Rows<'_>, known: &mut HashSet<i64>, down_to: &mut i64) -> Result<(), rusqlite::Error> {
    *down_to = match newest.next()? {
        Some(row) => row.get(0)?,
        None => i64::MIN,
    };
    known.insert(*down_to);
    Ok(())
}

/// The trigrams of an index that begin with one or two characters; `None` if there are more than `most`.
fn threes(
    view: &Connection,
    column: Column,
    beginnings: &BTreeSet<String>,
    most: usize,
) -> Result<Option<Vec<String>>, rusqlite::Error> {
    let sql = format!("SELECT term FROM {} WHERE term >= ?1 ORDER BY term LIMIT 1", column.index().1);
    let mut next = view.prepare_cached(&sql)?;
    let mut threes = Vec::new();
    for beginning in beginnings {
        let mut from = beginning.clone();
        while let Some(three) = next.query_row([&from], |row| row.get::<_, String>(0)).optional()?
            && three.starts_with(beginning.as_str())
        {
            if threes.len() == most {
                return Ok(None);
            }
            // No other trigram has this beginning: the next one is the first after it.
            from = format!("{three}\u{1}");
            threes.push(three);
        }
    }
    Ok(Some(threes))
}

/// The places whose last two characters contain one or two characters: walks the distinct ends of texts, then
/// takes the places of those that match.
fn at_the_end(
    view: &Connection,
    column: Column,
    spellings: &Spellings,
) -> Result<HashSet<i64>, rusqlite::Error> {
    let (table, name) = column.names();
    let end = format!("substr({name}, -2)");
    let sql = format!(
        "WITH RECURSIVE ends (two) AS (
             SELECT min({end}) FROM {table} WHERE {end} >= ''
             UNION ALL
             SELECT (SELECT min({end}) FROM {table} WHERE {end} > two) FROM ends WHERE two IS NOT NULL)
         SELECT id FROM {table} WHERE ?1 AND {end} IN (SELECT two FROM ends WHERE {})",
        spellings.within("two"),
    );
    let mut ends = view.prepare_cached(&sql)?;
    ends.query_map(spellings.with(1), |row| row.get(0))?.collect()
}

/// The conversations with an unfinished answer that has the text, and that answer.
fn pieces(view: &Connection, spellings: &Spellings) -> Result<HashMap<i64, i64>, rusqlite::Error> {
    let sql = format!(
        "SELECT turn.chat, variant.id FROM variant JOIN turn ON turn.id = variant.turn
         WHERE variant.ending IS NULL AND ?1 AND {}",
        spellings.within(&format!("({PIECES})")),
    );
    let mut pieces = view.prepare_cached(&sql)?;
    pieces.query_map(spellings.with(1), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// The spellings of a text in different cases.
enum Spellings {
    /// The index ignores case.
    Indexed(String),
    /// It is too short for the index.
    Short(BTreeSet<String>),
}

impl Spellings {
    fn of(text: &str) -> Self {
        if text.chars().nth(INDEXED_CHARS - 1).is_some() {
            return Self::Indexed(text.to_owned());
        }
        let mut spellings = BTreeSet::from([String::new()]);
        for c in text.chars() {
            let cases = cases(c);
            spellings = spellings
                .iter()
                .flat_map(|begun| cases.iter().map(move |case| format!("{begun}{case}")))
                .collect();
        }
        Self::Short(spellings)
    }

    /// A condition that a column has one of them; `LIKE` itself ignores ASCII case.
    fn within(&self, column: &str) -> String {
        let count = match self {
            Self::Indexed(_) => 1,
            Self::Short(all) => all.len(),
        };
        let likes: Vec<String> =
            (2..count + 2).map(|number| format!("{column} LIKE ?{number} ESCAPE '\\'")).collect();
        format!("({})", likes.join(" OR "))
    }

    fn in_title(&self) -> String {
        format!("({} OR {})", self.within("title"), self.within("name"))
    }

    /// The parameters of a statement: the first one, and those of [`Self::within`].
    fn with(&self, first: i64) -> impl rusqlite::Params {
        let like = |text: &String| {
            Value::Text(format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")))
        };
        let likes: Vec<Value> = match self {
            Self::Indexed(text) => vec![like(text)],
            Self::Short(all) => all.iter().map(like).collect(),
        };
        params_from_iter([Value::Integer(first)].into_iter().chain(likes))
    }
}

/// A character in all its cases; only lower case for ASCII.
fn cases(c: char) -> BTreeSet<char> {
    let small = |c: char| one(c.to_lowercase());
    let large = one(c.to_uppercase());
    let cases = [Some(c), small(c), large, large.and_then(small)].into_iter().flatten();
    cases.filter(|c| !c.is_ascii_uppercase()).collect()
}

/// The character, if there is exactly one.
fn one(mut chars: impl ExactSizeIterator<Item = char>) -> Option<char> {
    if chars.len() == 1 { chars.next() } else { None }
}

/// A phrase in the query language of the index.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// The characters around a text in another, on one line.
fn around(words: &str, text: &str) -> String {
    let place = words.find(text).unwrap_or_else(|| {
        let lower = text.to_lowercase();
        // Another case may have another length, so the position need not be exact.
        let place = words.to_lowercase().find(&lower).unwrap_or(0).min(words.len());
        words.floor_char_boundary(place)
    });
    let before: String = words[..place].chars().rev().take(AROUND_CHARS / 3).collect();
    let is_cut = words[..place].chars().nth(AROUND_CHARS / 3).is_some();
    let after: String = words[place..].chars().take(AROUND_CHARS).collect();
    let mut shown = before.chars().rev().collect::<String>() + &after;
    if is_cut {
        shown.insert(0, '…');
    }
    if words[place..].chars().nth(AROUND_CHARS).is_some() {
        shown.push('…');
    }
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

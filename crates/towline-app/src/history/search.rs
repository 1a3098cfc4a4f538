//! Words are looked for, in the conversations that were written to last first.
//!
//! An index knows where every three characters stand. Where few places have the words, all of them are taken, and put in order.
//! Where many have, the conversations are walked from the last one, and the index is read from its newest place, both no further
//! than the list that is asked for. Of one or two characters, those threes are looked for that begin with them; the end of a text
//! begins none, and has an index of its own.

use std::collections::{BTreeSet, HashMap, HashSet};

use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Rows, params_from_iter};

use super::find::{ASKS, Found};
use super::{ChatId, History, HistoryError};

/// Around what was found, so many characters are shown.
const AROUND_CHARS: usize = 60;
/// How many characters together the index knows.
const INDEXED_CHARS: usize = 3;

/// From where on words are so common that there is a shorter way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common {
    /// Places of one kind. Beyond them, conversations are walked.
    pub(super) places: usize,
    /// Threes that begin with the same one or two characters. Beyond them, the texts themselves are read.
    pub(super) threes: usize,
    /// Conversations whose texts are read for one or two characters before the index is asked: most stand in nearly each.
    pub(super) chats: usize,
}

const COMMON: Common = Common { places: 1_000, threes: 500, chats: 200 };

/// Where words can stand, beside a title.
#[derive(Debug, Clone, Copy)]
enum Column {
    Question,
    Answer,
    /// The question of one answer alone.
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

    /// The index, and the list of the threes that it knows.
    fn index(self) -> (&'static str, &'static str) {
        match self {
            Self::Question => ("question_words", "question_threes"),
            Self::Answer => ("answer_words", "answer_threes"),
            Self::Own => ("variant_words", "variant_threes"),
        }
    }

    /// From a place to its conversation.
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

/// Where a conversation has the words.
#[derive(Debug, Clone, Copy)]
enum Place {
    In(Column, i64),
    /// In an answer that is on its way.
    Pieces(i64),
    Title,
}

/// What came of the text of a variant whose answer has not ended.
const PIECES: &str =
    "variant.text || coalesce((SELECT group_concat(piece.text, '' ORDER BY piece.id) FROM piece
    WHERE piece.variant = variant.id AND NOT piece.thinking), '')";

impl History {
    /// The conversations that have a text in a question, an answer or their title, whatever its case; the last written
    /// first, at most `limit`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn search(&self, text: &str, limit: usize) -> Result<Vec<Found>, HistoryError> {
        self.search_with(text, limit, COMMON)
    }

    pub(super) fn search_with(
        &self,
        text: &str,
        limit: usize,
        common: Common,
    ) -> Result<Vec<Found>, HistoryError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Vec::new());
        }
        // One view of what several programs write.
        let view = self.database.unchecked_transaction()?;
        let places = places(&view, text, limit, common)?;
        let found = places.into_iter().map(|(chat, place)| {
            let chat = self.summary(chat)?;
            let words = match place {
                Place::Title => chat.title.clone(),
                Place::In(column, id) => words_at(&view, column, id)?,
                Place::Pieces(id) => {
                    let sql = format!("SELECT {PIECES} FROM variant WHERE id = ?1");
                    view.prepare_cached(&sql)?.query_row([id], |row| row.get(0))?
                }
            };
            Ok(Found { around: around(&words, text), chat })
        });
        found.collect()
    }
}

fn words_at(view: &Connection, column: Column, id: i64) -> Result<String, rusqlite::Error> {
    let (table, name) = column.names();
    view.prepare_cached(&format!("SELECT {name} FROM {table} WHERE id = ?1"))?
        .query_row([id], |row| row.get(0))
}

/// The conversations that have a text, and where.
fn places(
    view: &Connection,
    text: &str,
    limit: usize,
    common: Common,
) -> Result<Vec<(ChatId, Place)>, rusqlite::Error> {
    let spellings = Spellings::of(text);
    if let Spellings::Short(_) = spellings {
        let lists = Column::ALL.into_iter().map(|column| Ok((column, List::read(view, column, &spellings)?)));
        let lists = lists.collect::<Result<_, rusqlite::Error>>()?;
        let found = Search::new(view, &spellings, lists)?.walk(limit, common.chats)?;
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
    let mut search = Search::new(view, &spellings, lists)?;
    if !are_few {
        return search.walk(limit, usize::MAX);
    }
    let mut found = Vec::new();
    for chat in search.of_few()?.into_iter().take(limit) {
        found.extend(search.place(chat)?.map(|place| (ChatId(chat), place)));
    }
    Ok(found)
}

struct Search<'s> {
    view: &'s Connection,
    spellings: &'s Spellings,
    /// The conversations with an answer on its way that has the text, and that answer.
    pieces: HashMap<i64, i64>,
    lists: Vec<(Column, List<'s>)>,
}

impl<'s> Search<'s> {
    fn new(
        view: &'s Connection,
        spellings: &'s Spellings,
        lists: Vec<(Column, List<'s>)>,
    ) -> Result<Self, rusqlite::Error> {
        Ok(Self { view, pieces: pieces(view, spellings)?, spellings, lists })
    }

    /// Looks into conversations, the last written first, `most` of them, until `limit` have the text.
    fn walk(&mut self, limit: usize, most: usize) -> Result<Vec<(ChatId, Place)>, rusqlite::Error> {
        let mut found = Vec::new();
        let mut chats =
            self.view.prepare_cached("SELECT id FROM chat ORDER BY updated DESC, id DESC LIMIT ?1")?;
        let mut chats = chats.query([i64::try_from(most).unwrap_or(i64::MAX)])?;
        while found.len() < limit
            && let Some(row) = chats.next()?
        {
            let chat = row.get(0)?;
            found.extend(self.place(chat)?.map(|place| (ChatId(chat), place)));
        }
        Ok(found)
    }

    /// Where a conversation has the text: in its last turn that does. One that has no question has none.
    fn place(&mut self, chat: i64) -> Result<Option<Place>, rusqlite::Error> {
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
                    return Ok(Some(Place::In(*column, id)));
                }
            }
        }
        if let Some(variant) = self.pieces.get(&chat) {
            return Ok(Some(Place::Pieces(*variant)));
        }
        let sql = format!("SELECT {} FROM chat WHERE id = ?1", self.spellings.in_title());
        let mut title = self.view.prepare_cached(&sql)?;
        let is_titled = has_question && title.query_row(self.spellings.with(chat), |row| row.get(0))?;
        Ok(is_titled.then_some(Place::Title))
    }

    /// Every conversation that has the text, where the lists have been read to their ends.
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
    /// As the index has them.
    Indexed { newest: Rows<'s>, known: HashSet<i64>, down_to: i64 },
    /// Each place is looked at.
    Read { is_there: CachedStatement<'s>, spellings: &'s Spellings },
}

impl<'s> List<'s> {
    /// `matches` gives what the index has, the newest first.
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
                // Nothing has an empty phrase; an expression without one is none.
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

    /// Whether it has no more than `most` places. It is read to its end then.
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

/// Reads one more place. Everything above `down_to` is known then.
fn read(newest: &mut Rows<'_>, known: &mut HashSet<i64>, down_to: &mut i64) -> Result<(), rusqlite::Error> {
    *down_to = match newest.next()? {
        Some(row) => row.get(0)?,
        None => i64::MIN,
    };
    known.insert(*down_to);
    Ok(())
}

/// The threes of an index that begin with one or two characters; `None` where there are more than `most`.
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
            // No other three has this one's beginning: the next is the first behind it.
            from = format!("{three}\u{1}");
            threes.push(three);
        }
    }
    Ok(Some(threes))
}

/// The places whose last two characters have one or two: from each end that a text has to the next, then those that fit.
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

/// The conversations with an answer that has not ended and has the text, and that answer.
fn pieces(view: &Connection, spellings: &Spellings) -> Result<HashMap<i64, i64>, rusqlite::Error> {
    let sql = format!(
        "SELECT turn.chat, variant.id FROM variant JOIN turn ON turn.id = variant.turn
         WHERE variant.ending IS NULL AND ?1 AND {}",
        spellings.within(&format!("({PIECES})")),
    );
    let mut pieces = view.prepare_cached(&sql)?;
    pieces.query_map(spellings.with(1), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// A text in every case that is looked for one by one.
enum Spellings {
    /// The index does not tell cases apart.
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

    /// That a column has one of them; `LIKE` itself does not tell ASCII's cases apart.
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

    /// The parameters of a statement: its first, and those of [`Self::within`].
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

/// A character in its cases, small ones only where it is ASCII.
fn cases(c: char) -> BTreeSet<char> {
    let small = |c: char| one(c.to_lowercase());
    let large = one(c.to_uppercase());
    let cases = [Some(c), small(c), large, large.and_then(small)].into_iter().flatten();
    cases.filter(|c| !c.is_ascii_uppercase()).collect()
}

/// The only character there is.
fn one(mut chars: impl ExactSizeIterator<Item = char>) -> Option<char> {
    if chars.len() == 1 { chars.next() } else { None }
}

/// As the index's language has a phrase.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// The characters around a text in another, on one line.
fn around(words: &str, text: &str) -> String {
    let place = words.find(text).unwrap_or_else(|| {
        let lower = text.to_lowercase();
        // Of another case, and so perhaps of other lengths: the place need not be exact.
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

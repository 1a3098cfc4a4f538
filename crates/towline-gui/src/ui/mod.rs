//! What is drawn. Views read the state that they are given and say what is to be done; nothing is done while drawing.
//!
//! | file | its one job |
//! |---|---|
//! | `theme` | colours and sizes |
//! | `seen` | what the views see of the window, and what it keeps for them |
//! | `pieces` | pieces of an answer as laid-out text |
//! | `strips` | a piece of text, of which only the rows in sight are drawn |
//! | `links` | text with links |
//! | `document` | an answer's blocks: those that are visible |
//! | `turn` | a question and its answer, with their buttons |
//! | `named` | parts whose buttons can be clicked whatever changes around them |
//! | `bottom` | panels at the bottom that are as high as what is in them |
//! | `chat` | the chat in the middle |
//! | `find` | the search in it |
//! | `scroll` | where its transcript stands |
//! | `icons` | buttons that show a sign |
//! | `composer` | where questions are typed |
//! | `menus` | its menus |
//! | `templates` | the templates that it offers |
//! | `sidebar` | the list of chats |
//! | `jobs` | the panel of jobs |
//! | `rows` | the jobs as rows of it |
//! | `models`, `settings`, `help`, `files` | dialogs |
//! | `dialog` | what dialogs have in common |
//! | `image` | pictures that a model made |
//! | `toasts` | short notices, and undo |

pub mod bottom;
pub mod chat;
pub mod composer;
pub mod dialog;
pub mod document;
pub mod files;
pub mod find;
pub mod help;
mod icons;
mod image;
pub mod jobs;
mod links;
mod menus;
pub mod models;
mod named;
mod pieces;
pub mod rows;
pub mod scroll;
pub mod seen;
pub mod settings;
pub mod sidebar;
mod strips;
mod templates;
pub mod theme;
pub mod toasts;
mod turn;

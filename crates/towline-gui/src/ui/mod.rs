//! The views. They read the state and return commands; nothing is executed while drawing.
//!
//! | file | its one job |
//! |---|---|
//! | `theme` | colours and sizes |
//! | `view_state` | the state that the views see, and the state that the window keeps for them |
//! | `pieces` | pieces of an answer as laid-out text |
//! | `strips` | a piece of text, of which only the visible rows are drawn |
//! | `links` | text with links |
//! | `document` | the visible blocks of an answer |
//! | `turn` | a question and its answer, with their buttons |
//! | `named` | parts whose buttons can be clicked whatever changes around them, and the descriptions of parts for screen readers |
//! | `bottom` | panels at the bottom that are as high as what is in them |
//! | `chat` | the chat in the middle |
//! | `find` | the search in it |
//! | `scroll` | the scroll position of its transcript |
//! | `icons` | icon buttons |
//! | `composer` | the composer, in which questions are typed |
//! | `menus` | its menus |
//! | `templates` | the templates that it offers |
//! | `sidebar` | the list of chats |
//! | `jobs` | the panel of jobs |
//! | `rows` | the jobs as rows of it |
//! | `models`, `settings`, `help`, `files` | dialogs |
//! | `dialog` | common parts of dialogs |
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
pub mod named;
mod pieces;
pub mod rows;
pub mod scroll;
pub mod settings;
pub mod sidebar;
mod strips;
mod templates;
pub mod theme;
pub mod toasts;
mod turn;
pub mod view_state;

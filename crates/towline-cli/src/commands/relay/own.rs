//! `towline relay status | stop | restart`: this user's own relay.

use towline::Error;
use towline::client::Timeouts;
use towline::relay::{RelayConfig, RelayVersion};
use towline_relay::{Checked, StoreError};

use super::pair;
use crate::args::{AtRelay, BackupArgs, CheckArgs, RelayVerb, StatusArgs};
use crate::commands::jobs::span;
use crate::commands::relayed::{reach, reach_running};
use crate::commands::{Context, asked};
use crate::exit::Exit;
use crate::exit::failure::{Complaint, Failure};
use crate::output::json;
use crate::output::{self, Out};
use crate::server::UNARY_TIMEOUTS;
use crate::server::places;
use towline_app::servers::Reached;

/// Runs a verb for an existing relay.
pub async fn run(verb: &RelayVerb, mut context: Context) -> Result<Exit, Failure> {
    match verb {
        RelayVerb::Status(args) => status(args, &mut context).await,
        RelayVerb::Check(args) => check(args).await,
        RelayVerb::Backup(args) => back_up(args, &mut context).await,
        RelayVerb::Pair(args) => pair::pair(args, &mut context).await,
        RelayVerb::Token(verb) => pair::token(verb, &mut context).await,
        RelayVerb::Stop => stop(&mut context).await,
        RelayVerb::Restart => {
            stop(&mut context).await?;
            let relay = AtRelay::default();
            let reached = reach(&relay, &mut context, UNARY_TIMEOUTS, RelayConfig::default()).await?;
            print_version(&asked(reached.control.version(), &mut context).await?)?;
            Ok(Exit::Completed)
        }
    }
}

/// Returns 1 if there is damage that was not repaired.
async fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let local = |message: String| Failure::Local(Complaint::new(message));
    let folder = match &args.store {
        Some(folder) => folder.clone(),
        None => places::store_folder().map_err(|error| local(error.to_string()))?,
    };
    let repair = args.repair;
    let checking = tokio::task::spawn_blocking(move || towline_relay::check_store(&folder, repair)).await;
    let checked = checking.map_err(|error| local(error.to_string()))?;
    let Checked { streams, damage } = checked.map_err(|error| {
        let complaint = Complaint::new(error.to_string());
        Failure::Local(if let StoreError::InUse { process } = error {
            complaint.hint(how_to_end(process))
        } else {
            complaint
        })
    })?;
    let mut out = Out::new();
    for damaged in &damage {
        out.line(damaged)?;
    }
    out.line(&format!("{streams} streams are intact"))?;
    if damage.is_empty() || repair {
        return Ok(Exit::Completed);
    }
    output::hint("towline relay check --repair removes what is damaged, so that a relay can use the rest");
    Ok(Exit::Failed)
}

/// How to stop the relay that uses a store.
fn how_to_end(process: Option<u32>) -> String {
    let other = process.map_or_else(|| "stop".to_owned(), |process| format!("kill {process} stops"));
    format!("towline relay stop stops your own relay, {other} another one; then check again")
}

async fn back_up(args: &BackupArgs, context: &mut Context) -> Result<Exit, Failure> {
    // It may take long, depending on the disk.
    let timeouts = Timeouts { first_event: None, idle: None, record: None, ..UNARY_TIMEOUTS };
    let Some(reached) = reach_running(&args.relay, context, timeouts).await? else {
        let complaint = Complaint::new("your relay is not running, so its store can be copied as a folder");
        let folder = places::store_folder().map(|folder| folder.display().to_string()).unwrap_or_default();
        return Err(Failure::Local(complaint.hint(format!("cp -a {folder} FOLDER"))));
    };
    let folder = std::path::absolute(&args.folder)
        .map_err(|error| Failure::Usage(Complaint::new(format!("{}: {error}", args.folder.display()))))?;
    let streams = asked(reached.control.back_up(&folder), context).await?;
    Out::new().line(&format!("copied {streams} streams to {}", folder.display()))?;
    Ok(Exit::Completed)
}

async fn status(args: &StatusArgs, context: &mut Context) -> Result<Exit, Failure> {
    let Some(reached) = reach_running(&args.relay, context, UNARY_TIMEOUTS).await? else {
        output::note("your relay is not running; the first command that needs it starts it");
        return Ok(Exit::Failed);
    };
    let known = asked(reached.control.version(), context).await?;
    if args.json {
        Out::new().write(&json::line(&known))?;
    } else {
        print_version(&known)?;
    }
    Ok(Exit::Completed)
}

async fn stop(context: &mut Context) -> Result<Exit, Failure> {
    let relay = AtRelay::default();
    let Some(Reached { control, place, .. }) = reach_running(&relay, context, UNARY_TIMEOUTS).await? else {
        output::note("your relay is not running");
        return Ok(Exit::Completed);
    };
    let Some(own) = &place.own else {
        let refused = Complaint::new(format!("the relay at {} is not your own", place.endpoint));
        return Err(Failure::Usage(refused.hint("TOWLINE_RELAY names it; only its operator can stop it")));
    };
    let known = asked(control.version(), context).await?;
    if known.running > 0 {
        let answers = if known.running == 1 { "answer runs" } else { "answers run" };
        output::note(&format!(
            "{} {answers}: the relay stops once they have ended, or after its drain time",
            known.running
        ));
    }
    asked(control.shutdown(), context).await?;
    let gone = async { Ok::<bool, Error>(own.is_gone().await) };
    if !asked(gone, context).await? {
        return Err(Failure::Local(Complaint::new("the relay was asked to stop and still listens")));
    }
    Out::new().line(&format!("stopped the relay of process {}", known.pid))?;
    Ok(Exit::Completed)
}

fn print_version(known: &RelayVersion) -> Result<(), Failure> {
    let mut out = Out::new();
    let up = span(known.uptime_s);
    out.line(&format!("towline {} in process {}, running for {up}", known.version, known.pid))?;
    for listen in &known.listen {
        out.line(&format!("listening on {listen}"))?;
    }
    for server in &known.servers {
        out.line(&format!(
            "relaying to {}, which {}",
            server.name,
            if server.up { "is up" } else { "is down" }
        ))?;
    }
    let running = known.running.saturating_sub(known.queued);
    out.line(&format!("answers: {running} running, {} queued; streams: {}", known.queued, known.streams))?;
    Ok(())
}

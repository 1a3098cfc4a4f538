//! `towline serve`.

use towline_model::{Config, Server};

use super::Context;
use crate::args::ServeArgs;
use crate::exit::Exit;
use crate::exit::failure::{Complaint, Failure, with_causes};
use crate::output::{self, Out};
use crate::server::builtin::MODEL;

/// Serves until a signal arrives.
pub async fn run(args: &ServeArgs, mut context: Context) -> Result<Exit, Failure> {
    let config = Config { listen: args.listen, rate: args.rate, ..Config::default() };
    let server = Server::bind(config).await.map_err(|error| refused(&error))?;
    let address = server.local_addr();
    Out::new().line(&format!("listening on http://{address}"))?;
    output::stderr_line(&format!("serving {MODEL}, a toy model"));
    let stopped = async {
        if args.until_input_ends {
            tokio::select! {
                _by_any_signal = context.stopper.stopped() => {}
                () = input_ended() => {}
            }
        } else {
            let _by_any_signal = context.stopper.stopped().await;
        }
    };
    server.run(stopped).await;
    Ok(Exit::Completed)
}

/// Waits until standard input ends.
async fn input_ended() {
    use tokio::io::AsyncReadExt as _;
    let (mut input, mut ignored) = (tokio::io::stdin(), [0; 256]);
    while input.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
}

fn refused(error: &towline_model::Error) -> Failure {
    let complaint = Complaint::new(with_causes(error));
    match error {
        towline_model::Error::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
            Failure::Local(complaint.hint_free_port())
        }
        towline_model::Error::Rate(_) => Failure::Usage(complaint),
        towline_model::Error::Bind { .. } => Failure::Local(complaint),
    }
}

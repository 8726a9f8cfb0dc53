//! Switch `idempotent-send`: tokens of sends that no client repeats any more are forgotten.

use crate::{
    db_proxy::plumbing::context::{Context, World},
    mutants::Mutant,
    store::sql::Server,
};

/// Seconds of the wall clock for which a token is kept. A client repeats a send until it is acked,
/// however long it was off; after 30 days one that it still has is stored anew. So `TTSend` has the
/// sends of 30 days and no more.
const KEPT: u32 = 30 * 24 * 60 * 60;

/// Forgets old tokens from time to time, for ever.
pub async fn run<W: World>(mut cx: Context<W>) {
    let pause = cx.shared.timing.token_job();
    loop {
        tokio::time::sleep(pause).await;
        cx.start_request();
        round(&mut cx).await;
    }
}

/// Forgets what is too old now. A failure is made good by the next round.
async fn round<W: World>(cx: &mut Context<W>) {
    const TEXT: &str = "delete from TTSend where created<?";
    let before = cx.now.saturating_sub(KEPT);
    if cx.protocol().mutated(Mutant::TokensKeptForEver) {
        return;
    }
    if let Err(error) = cx.execute(Server::Primary, TEXT, &[before.into()]).await {
        tracing::warn!(%error, "old tokens not forgotten");
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, round, run};
    use crate::{
        db_proxy::testing::{Fake, NOW, refused},
        protocol::Protocol,
    };
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn tokens_are_forgotten_once_they_are_30_days_old() {
        let world = Fake::default();
        let mut context = world.context(Protocol::hardened());
        context.now = NOW + KEPT;
        world.on("TTSend", refused(1146));
        round(&mut context).await;
        assert_eq!(world.log(), [format!("M delete from TTSend where created<{NOW}")]);
        let job = run(world.context(Protocol::hardened()));
        assert!(tokio::time::timeout(Duration::from_secs(7_500), job).await.is_err());
        assert_eq!(world.log().len(), 2, "each hour, also after a failure");
    }
}

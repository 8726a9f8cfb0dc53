//! The blob store as a folder, which all db_proxies of a deployment must see: a file for each recording.

use super::blob::{BlobError, Blobs};
use bytes::Bytes;
use std::{future::Future, io, path::PathBuf, time::Duration};
use tokio::{fs, io::AsyncWriteExt, time::timeout};

/// Keeps each blob in a file of its own.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    limit: Duration,
}

impl Folder {
    /// In a folder, which is made if it is not there.
    ///
    /// # Errors
    /// A sentence with the folder and why it can't be made.
    pub async fn open(path: PathBuf, limit: Duration) -> Result<Self, String> {
        let made = fs::create_dir_all(&path).await;
        made.map_err(|e| format!("the folder {} for recordings: {e}", path.display()))?;
        Ok(Self { path, limit })
    }

    async fn before<T>(&self, work: impl Future<Output = io::Result<T>> + Send) -> io::Result<T> {
        timeout(self.limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// A name that no other db_proxy chooses: 128 random bits.
fn new_name() -> String {
    // What the simulation draws by Env::random is decided there; a name decides nothing.
    #[allow(clippy::disallowed_methods)]
    let name: u128 = rand::random();
    format!("{name:032x}")
}

/// Of our making: a path that a row of IMAudio has leads nowhere else.
fn is_name(path: &str) -> bool {
    path.len() == 32 && path.bytes().all(|b| b.is_ascii_hexdigit())
}

impl Blobs for Folder {
    /// Written under another name first, so that nobody reads half of it.
    async fn put(&self, bytes: Bytes) -> Result<String, BlobError> {
        let name = new_name();
        let (part, whole) = (self.path.join(format!("{name}.part")), self.path.join(&name));
        let written = self.before(async {
            let mut file = fs::File::create_new(&part).await?;
            file.write_all(&bytes).await?;
            file.sync_all().await?;
            fs::rename(&part, &whole).await
        });
        match written.await {
            Ok(()) => Ok(name),
            Err(e) => Err(BlobError::Failed(format!("{}: {e}", whole.display()))),
        }
    }

    async fn get(&self, path: &str) -> Result<Bytes, BlobError> {
        if !is_name(path) {
            return Err(BlobError::Missing(path.to_string()));
        }
        match self.before(fs::read(self.path.join(path))).await {
            Ok(bytes) => Ok(bytes.into()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err(BlobError::Missing(path.to_string()))
            }
            Err(e) => Err(BlobError::Failed(format!("{path}: {e}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Folder;
    use crate::store::blob::{BlobError, Blobs};
    use bytes::Bytes;
    use std::time::Duration;

    #[tokio::test]
    async fn what_is_kept_comes_back_and_nothing_else_does() {
        let path = std::env::temp_dir().join(format!("teamtalk-blobs-{}", std::process::id()));
        let blobs = Folder::open(path.clone(), Duration::from_secs(5)).await.expect("a folder");
        let bytes = Bytes::from_static(b"a recording");
        let name = blobs.put(bytes.clone()).await.expect("it is kept");
        assert_eq!(blobs.get(&name).await, Ok(bytes));
        std::fs::write(path.join("secret"), "x").expect("a file beside it");
        let absent = "0".repeat(32);
        for wrong in ["secret", "../secret", "", &absent] {
            assert_eq!(blobs.get(wrong).await, Err(BlobError::Missing(wrong.into())));
        }
        std::fs::remove_dir_all(path).expect("it is there");
    }
}

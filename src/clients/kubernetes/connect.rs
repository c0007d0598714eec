//! From the settings to a client on its own thread.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use http::header::USER_AGENT;
use http::{HeaderValue, Uri};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::calls::SLACK;
use super::cluster::{Cluster, KubernetesSettings};
use super::error::{KubernetesError, KubernetesFault, short};
use super::job::Job;
use crate::files;

/// How the program names itself to the API server; without it, the owner of what it writes would be `unknown`.
const PROGRAM: &str = concat!("error-budget-monitor/", env!("CARGO_PKG_VERSION"));

/// Largest `KUBECONFIG` file (bytes): certificates included, a hundred clusters take a tenth.
const LARGEST: u64 = 4 * 1024 * 1024;

impl Cluster {
    /// Prepares the connection; nothing is sent but what a context's own program sends to get a token.
    ///
    /// # Errors
    /// Fails where `KUBECONFIG` cannot be used, or where there is none and the program runs in no cluster. It never
    /// takes the one for the other.
    pub fn connect(settings: &KubernetesSettings) -> Result<Self, KubernetesError> {
        let (jobs, queue) = unbounded_channel();
        let (ready, is_ready) = sync_channel(1);
        let timeout = settings.timeout;
        let wanted = settings.clone();
        let refused = |why: String| KubernetesError {
            tried: "reach the API server".to_owned(),
            fault: KubernetesFault::Settings(why),
        };
        thread::Builder::new()
            .name("kubernetes".to_owned())
            .spawn(move || serve(&wanted, queue, &ready))
            .map_err(|error| refused(format!("no thread can be started ({error})")))?;
        let namespace = is_ready
            .recv_timeout(timeout + SLACK)
            .map_err(|_| {
                refused(format!(
                    "its credentials were not there within {} s; check the program that KUBECONFIG names",
                    timeout.as_secs()
                ))
            })?
            .map_err(refused)?;
        Ok(Self {
            jobs,
            namespace: Arc::from(settings.namespace.as_deref().unwrap_or(&namespace)),
            timeout,
        })
    }
}

/// Carries out the jobs until nobody can send any more.
fn serve(
    settings: &KubernetesSettings,
    mut queue: UnboundedReceiver<Job>,
    ready: &SyncSender<Result<String, String>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            // Whoever asked waits no longer where this cannot be sent.
            let _ = ready.send(Err(format!("no event loop can be started ({error})")));
            return;
        }
    };
    runtime.block_on(async {
        let prepared = config(settings).await.and_then(|config| {
            let namespace = config.default_namespace.clone();
            let client = Client::try_from(config).map_err(|error| sentence(&error))?;
            Ok((client, namespace))
        });
        let client = match prepared {
            Ok((client, namespace)) => {
                let _ = ready.send(Ok(namespace));
                client
            }
            Err(why) => {
                let _ = ready.send(Err(why));
                return;
            }
        };
        while let Some(job) = queue.recv().await {
            tokio::spawn(job.begin(client.clone()));
        }
    });
}

async fn config(settings: &KubernetesSettings) -> Result<Config, String> {
    let mut config = if settings.kubeconfig.is_empty() {
        Config::incluster().map_err(|error| {
            format!(
                "this is no pod with a service account's token ({}); set KUBECONFIG, or run it in the cluster",
                sentence(&error)
            )
        })?
    } else {
        from_files(settings).await?
    };
    refuse_plain(&config.cluster_url)?;
    config.default_retry = false;
    config.connect_timeout = Some(settings.timeout);
    config.read_timeout = Some(settings.timeout);
    config.write_timeout = Some(settings.timeout);
    // A connection that was idle is as good as a new one.
    config.reset_reader_on_write = true;
    config
        .headers
        .push((USER_AGENT, HeaderValue::from_static(PROGRAM)));
    Ok(config)
}

async fn from_files(settings: &KubernetesSettings) -> Result<Config, String> {
    let mut all = Kubeconfig::default();
    for path in &settings.kubeconfig {
        let read = readable(path).and_then(|()| {
            Kubeconfig::read_from(path)
                .and_then(|one| all.clone().merge(one))
                .map_err(|error| sentence(&error))
        });
        all = read.map_err(|why| {
            format!(
                "KUBECONFIG names {}, which cannot be used ({why}); mend the file, or unset KUBECONFIG in a pod",
                path.display()
            )
        })?;
    }
    let options = KubeConfigOptions {
        context: settings.context.clone(),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(all, &options).await;
    config.map_err(|error| {
        let context = match &settings.context {
            Some(context) => format!("the context {context} of KUBECONFIG"),
            None => "the current context of KUBECONFIG".to_owned(),
        };
        format!(
            "{context} cannot be used ({}); mend the file, or name another with KUBERNETES_CONTEXT",
            sentence(&error)
        )
    })
}

/// Makes sure that the file is a regular one and not too large: kube-rs reads whatever it is.
fn readable(path: &Path) -> Result<(), String> {
    files::read(path, LARGEST)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Tokens go over TLS, or to this machine.
fn refuse_plain(url: &Uri) -> Result<(), String> {
    let host = url.host().unwrap_or_default();
    let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match url.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_here => Ok(()),
        _ => Err(
            "the server of the context has no https:// address; only one on this machine may be without"
                .to_owned(),
        ),
    }
}

/// Writes an error of the settings with its causes. They quote paths and names, no secrets.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(below) = source {
        let below_text = below.to_string();
        if !text.contains(&below_text) {
            text.push_str(": ");
            text.push_str(&below_text);
        }
        source = below.source();
    }
    short(&text)
}

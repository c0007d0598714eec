//! What the API server refused, as the journal says it.

use crate::clients::kubernetes::KubernetesError;
use crate::journal::JournalError;

pub(super) fn told(error: &KubernetesError) -> JournalError {
    JournalError::Object {
        tried: error.tried.clone(),
        why: error.fault.to_string(),
        remedy: error.fault.remedy().to_owned(),
        is_transient: error.fault.is_transient(),
    }
}

//! The certificate of the doors over TCP: from its files to what speaks TLS with it, or what is wrong with them.

use crate::model::access::TlsFiles;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{Error, ServerConfig};

/// No chain and no key is larger, in bytes.
const LARGEST: u64 = 1 << 20;

/// Reads the files. The error is a sentence that begins with the file.
pub(super) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, String> {
    let certificate = pem(&files.certificate)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&certificate).collect();
    let shown = files.certificate.display();
    let chain = chain.map_err(|error| format!("{shown}: it is no PEM file: {error}"))?;
    if chain.is_empty() {
        return Err(format!("{shown}: there is no certificate in it, which begins with -----BEGIN CERTIFICATE-----"));
    }
    let key = key(&files.key)?;
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let made = builder.with_no_client_auth().with_single_cert(chain, key);
    let mut config = made.map_err(|error| match error {
        Error::InconsistentKeys(_) => {
            format!("{}: it is not the key of the certificate in {shown}", files.key.display())
        }
        Error::InvalidCertificate(_) => format!("{shown}: the certificate cannot be read: {error}"),
        error => format!("{}: this key cannot be used: {error}", files.key.display()),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = pem(file)?;
    let shown = file.display();
    if text.windows(21).any(|window| window == b"ENCRYPTED PRIVATE KEY") {
        return Err(format!("{shown}: the key is locked by a passphrase, which nobody is there to type"));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        rustls_pki_types::pem::Error::NoItemsFound => {
            format!("{shown}: there is no private key in it, which begins with -----BEGIN PRIVATE KEY-----")
        }
        error => format!("{shown}: it is no PEM file: {error}"),
    })
}

fn pem(file: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| {
        let text = error.to_string();
        let reason = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
        format!("{}: it cannot be read: {reason}", file.display())
    };
    let mut bytes = Vec::new();
    // Waits for nobody, where it is a FIFO; a device says more than fits.
    if !std::fs::metadata(file).map_err(failed)?.is_file() {
        return Err(format!("{}: it is no file", file.display()));
    }
    File::open(file).map_err(failed)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("{}: it is larger than {LARGEST} bytes", file.display()));
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(certificate: &[u8], key: &[u8]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let (cert_file, key_file) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
        std::fs::write(&cert_file, certificate).unwrap();
        std::fs::write(&key_file, key).unwrap();
        let files = TlsFiles { certificate: cert_file, key: key_file };
        let place = format!("{}/", directory.path().display());
        acceptor(&files).err().unwrap_or_default().replace(&place, "")
    }

    const EMPTY: &[u8] = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    #[test]
    fn what_is_wrong_with_a_certificate_is_said() {
        assert!(refused(b"", b"").starts_with("cert.pem: there is no certificate in it"));
        assert!(refused(EMPTY, b"").starts_with("key.pem: there is no private key in it"));
        let locked = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert!(refused(EMPTY, locked).contains("passphrase"));
        let nowhere = TlsFiles { certificate: "/nowhere/cert.pem".into(), key: "/".into() };
        let missing = acceptor(&nowhere).err().unwrap();
        assert_eq!(missing, "/nowhere/cert.pem: it cannot be read: no such file or directory");
        let directory = TlsFiles { certificate: "/".into(), key: "/".into() };
        assert_eq!(acceptor(&directory).err().unwrap(), "/: it is no file");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_bytes_are_a_certificate_by_chance(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!refused(&bytes, &bytes).is_empty());
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! ML-DSA-87 keys over AWS-LC. Any input of a wrong size is refused here and never reaches it.

use aws_lc_rs::signature::{KeyPair, ParsedPublicKey, PqdsaKeyPair, ML_DSA_87, ML_DSA_87_SIGNING};

pub const SEED_SIZE: usize = 32;
pub const PUBLIC_SIZE: usize = 2592;
pub const SIGNATURE_SIZE: usize = 4627;

/// As pinned in Cargo.toml; a test compares.
const LIBRARY: &str = "aws-lc-rs 1.19.0";

/// The library and the code path that it takes on this CPU.
pub fn implementation() -> String {
    // AWS-LC lets this variable hide features of the CPU, and does not tell what is left.
    if cfg!(target_arch = "x86_64") && std::env::var_os("OPENSSL_ia32cap").is_some() {
        return format!("{LIBRARY}, path set by OPENSSL_ia32cap");
    }
    format!("{LIBRARY}, {}", path())
}

#[cfg(target_arch = "x86_64")]
fn path() -> &'static str {
    // The same question that AWS-LC asks at run time (CRYPTO_is_AVX2_capable).
    if std::arch::is_x86_feature_detected!("avx2") {
        "AVX2"
    } else {
        "portable"
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn path() -> &'static str {
    // Every aarch64 CPU that Linux or macOS runs on has NEON.
    if cfg!(target_arch = "aarch64") {
        "NEON"
    } else {
        "portable"
    }
}

/// A private key. Seed and expanded key live only in AWS-LC's memory, which is cleansed on being freed.
pub struct SigningKey(PqdsaKeyPair);

impl SigningKey {
    /// The key of a seed (FIPS 204, algorithm 6), or nothing if the seed has not 32 bytes.
    pub fn from_seed(seed: &[u8]) -> Option<Self> {
        if seed.len() != SEED_SIZE {
            return None;
        }
        PqdsaKeyPair::from_seed(&ML_DSA_87_SIGNING, seed)
            .ok()
            .map(Self)
    }

    pub fn public_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// A hedged signature: AWS-LC draws the 32 random bytes of FIPS 204, algorithm 2, anew for each.
    pub fn sign(&self, data: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; SIGNATURE_SIZE];
        match self.0.sign(data, &mut signature) {
            Ok(SIGNATURE_SIZE) => Some(signature),
            _ => None,
        }
    }
}

/// A public key.
pub struct VerifyingKey(ParsedPublicKey);

impl VerifyingKey {
    /// The key of its raw bytes, or nothing if they are not 2,592.
    pub fn from_raw(raw: &[u8]) -> Option<Self> {
        // AWS-LC would take a SubjectPublicKeyInfo as well; we take one form only.
        if raw.len() != PUBLIC_SIZE {
            return None;
        }
        ParsedPublicKey::new(&ML_DSA_87, raw).ok().map(Self)
    }

    pub fn verify(&self, signature: &[u8], data: &[u8]) -> bool {
        signature.len() == SIGNATURE_SIZE && self.0.verify_sig(data, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_verifies_for_its_data_and_no_other() {
        let key = SigningKey::from_seed(&[7; SEED_SIZE]).unwrap();
        let public = VerifyingKey::from_raw(key.public_bytes()).unwrap();
        let signature = key.sign(b"event").unwrap();
        assert_eq!(key.public_bytes().len(), PUBLIC_SIZE);
        assert!(public.verify(&signature, b"event"));
        assert!(!public.verify(&signature, b"Event"));
        for position in [0, 63, 64, 4000, SIGNATURE_SIZE - 1] {
            let mut spoilt = signature.clone();
            spoilt[position] ^= 1;
            assert!(!public.verify(&spoilt, b"event"), "byte {position}");
        }
    }

    #[test]
    fn signing_is_hedged() {
        let key = SigningKey::from_seed(&[7; SEED_SIZE]).unwrap();
        assert_ne!(key.sign(b"event"), key.sign(b"event"));
    }

    #[test]
    fn a_seed_always_gives_the_same_key() {
        let [one, two, other] =
            [7, 7, 8].map(|byte| SigningKey::from_seed(&[byte; SEED_SIZE]).unwrap());
        assert_eq!(one.public_bytes(), two.public_bytes());
        assert_ne!(one.public_bytes(), other.public_bytes());
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let key = SigningKey::from_seed(&[7; SEED_SIZE]).unwrap();
        let public = VerifyingKey::from_raw(key.public_bytes()).unwrap();
        for size in [0, 31, 33, 64] {
            assert!(SigningKey::from_seed(&vec![7; size]).is_none());
        }
        // 1,952 and 3,309 are ML-DSA-65; 4,595 is round-3 Dilithium; 2,614 is a SubjectPublicKeyInfo.
        for size in [0, 1952, 2591, 2593, 2614] {
            assert!(VerifyingKey::from_raw(&vec![7; size]).is_none());
        }
        for size in [0, 3309, 4595, 4626, 4628] {
            assert!(!public.verify(&vec![7; size], b"event"));
        }
    }

    #[test]
    fn the_library_is_named_as_it_is_pinned() {
        let (name, version) = LIBRARY.split_once(' ').unwrap();
        let pin = format!("\n{name} = {{ version = \"={version}\"");
        assert!(include_str!("../Cargo.toml").contains(&pin));
        assert!(implementation().starts_with(LIBRARY));
    }
}

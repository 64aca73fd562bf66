// Package vault keeps keys with their certificates. Its parts: the Keyring, which encrypts everything
// that lies in the database (envelope encryption, AES-256-GCM); Builtin, the vault that is always
// there, with Key Vault's rules for versions, attributes and soft deletion; and SystemKeys, where
// Certwright keeps the keys that are its own and that no route of the data plane reaches.
//
// A stored certificate is what App Service Certificates store: a secret whose value is base64
// PKCS#12 with an empty password (application/x-pkcs12) or PEM (application/x-pem-file), tagged
// CertificateId, CertificateState, SerialNumber and Thumbprint. The same row is readable as a
// certificate object, which App Service Certificates never offered.
package vault

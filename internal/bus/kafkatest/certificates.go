package kafkatest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Files of the cluster's folder, PEM. A key and its certificate share a file.
const (
	authorityFile = "authority.pem"
	brokerFile    = "broker.pem"
	clientFile    = "client.pem"
)

// writeCertificates makes an authority, and a certificate of it for the brokers
// and one for clients.
func writeCertificates(tb testing.TB, dir string) {
	tb.Helper()
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	authority := certificate("Tongqu test authority")
	authority.IsCA = true
	authority.KeyUsage = x509.KeyUsageCertSign
	authority.ExtKeyUsage = nil
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, &authorityKey.PublicKey, authorityKey)
	require.NoError(tb, err)
	writePEM(tb, filepath.Join(dir, authorityFile), &pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, file := range map[string]string{"broker": brokerFile, Username: clientFile} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(tb, err)
		der, err := x509.CreateCertificate(rand.Reader, certificate(name), authority, &key.PublicKey, authorityKey)
		require.NoError(tb, err)
		keyDER, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(tb, err)
		writePEM(tb, filepath.Join(dir, file),
			&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
}

func certificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		BasicConstraintsValid: true,
	}
}

func writePEM(tb testing.TB, file string, blocks ...*pem.Block) {
	tb.Helper()
	var out []byte
	for _, b := range blocks {
		out = append(out, pem.EncodeToMemory(b)...)
	}
	require.NoError(tb, os.WriteFile(file, out, 0o600))
}

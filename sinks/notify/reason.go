package notify

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"

	"earshot/schemas"
)

// reason is the kind of what went wrong between Earshot and another server, for a
// tenant: the error itself, which is for the log, names addresses and servers of
// the network around Earshot. otherwise is said of what is none of the kinds.
func reason(err error, otherwise schemas.Text) schemas.Text {
	var (
		late        net.Error
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		broken      *net.OpError
	)
	switch {
	case errors.As(err, &late) && late.Timeout(): // that of a name, too
		return schemas.T("no answer in time")
	case errors.As(err, &name):
		return schemas.T("the name is not known")
	case errors.As(err, &certificate):
		return schemas.T("the certificate is not valid")
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return schemas.T("it does not speak TLS")
	case errors.As(err, &broken), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return schemas.T("the connection fails")
	}
	return otherwise
}

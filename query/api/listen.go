package api

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// Listen waits a little for the address: a process that was killed while it
// started another program leaves a copy of itself that holds the socket for
// some more milliseconds.
func Listen(address string) (l net.Listener, err error) {
	for begin := time.Now(); time.Since(begin) < 3*time.Second; time.Sleep(20 * time.Millisecond) {
		if l, err = net.Listen("tcp", address); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return l, err
}

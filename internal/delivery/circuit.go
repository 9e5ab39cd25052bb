package delivery

import (
	"context"
	"sync"
	"time"

	"tongqu/internal/backoff"
)

// Circuit says whether records flow to a subscriber.
type Circuit string

// A closed circuit lets everything through, an open one nothing until the next
// attempt is due, a half-open one that single attempt.
const (
	CircuitClosed   Circuit = "closed"
	CircuitOpen     Circuit = "open"
	CircuitHalfOpen Circuit = "half-open"
)

// State is how a subscription's delivery is doing.
type State struct {
	Circuit Circuit `json:"circuit"`
	// Since is when the circuit last left or came back to closed.
	Since time.Time `json:"since"`
	// LastError is why the last failed attempt failed; it stays after recovery.
	LastError string `json:"lastError,omitempty"`
	// Attempts counts the failed attempts since the circuit left closed.
	Attempts int `json:"attempts"`
	// NextAttempt is when the next attempt is due; zero when the circuit is closed.
	NextAttempt time.Time `json:"nextAttempt,omitzero"`
}

// circuit holds all partitions of one subscription back while its subscriber is
// away, and lets one request at a time find out whether it is back.
type circuit struct {
	base, limit time.Duration
	rnd         func() float64

	mu    sync.Mutex
	state State
	// turn counts the changes of state, so that a request which began before the
	// last one has no say any more.
	turn    uint64
	changed chan struct{} // closed and replaced at every change
}

func newCircuit(base, limit time.Duration, rnd func() float64) *circuit {
	return &circuit{
		base: base, limit: limit, rnd: rnd,
		state: State{Circuit: CircuitClosed, Since: time.Now()}, changed: make(chan struct{}),
	}
}

// current returns the state.
func (c *circuit) current() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// enter waits until a request may be made and returns its turn, which goes back
// to succeed, fail or abandon. It returns ctx's error when ctx ends before.
func (c *circuit) enter(ctx context.Context) (uint64, error) {
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		turn, wait, changed := c.try()
		if wait == 0 {
			return turn, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// whole is how long to wait when only a change of state can end the waiting.
const whole = time.Duration(1<<63 - 1)

// try returns a turn, or how long to wait for one unless the state changes first.
func (c *circuit) try() (turn uint64, wait time.Duration, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state.Circuit {
	case CircuitClosed:
		return c.turn, 0, nil
	case CircuitHalfOpen:
		return 0, whole, c.changed
	case CircuitOpen:
	}
	if wait := time.Until(c.state.NextAttempt); wait > 0 {
		return 0, wait, c.changed
	}
	c.change(CircuitHalfOpen)
	return c.turn, 0, nil
}

// change goes to a state and wakes all that wait. The caller holds mu.
func (c *circuit) change(to Circuit) {
	if (to == CircuitClosed) != (c.state.Circuit == CircuitClosed) {
		c.state.Since = time.Now()
	}
	c.state.Circuit = to
	c.turn++
	close(c.changed)
	c.changed = make(chan struct{})
}

// succeed tells that the subscriber answered.
func (c *circuit) succeed(turn uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn != c.turn || c.state.Circuit == CircuitClosed {
		return
	}
	c.state.Attempts, c.state.NextAttempt = 0, time.Time{}
	c.change(CircuitClosed)
}

// fail tells that the subscriber cannot be reached, and not to try again before
// the time it asked for. Of several requests that fail together, one counts.
func (c *circuit) fail(turn uint64, reason string, after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn != c.turn {
		return
	}
	delay := max(backoff.Delay(c.state.Attempts, c.base, c.limit, c.rnd), after)
	c.state.Attempts++
	c.state.LastError = reason
	c.state.NextAttempt = time.Now().Add(delay)
	c.change(CircuitOpen)
}

// abandon gives the turn back unused: the next one may try at once.
func (c *circuit) abandon(turn uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn == c.turn && c.state.Circuit == CircuitHalfOpen {
		c.change(CircuitOpen)
	}
}

// Package circuit keeps the hub from knocking at the door of a party that is away:
// a subscriber that records are delivered to, an agency whose interface is asked.
package circuit

import (
	"context"
	"sync"
	"time"

	"tongqu/internal/backoff"
)

// Status says whether requests go to a party.
type Status string

// A closed circuit lets everything through, an open one nothing until the next
// attempt is due, a half-open one that single attempt.
const (
	Closed   Status = "closed"
	Open     Status = "open"
	HalfOpen Status = "half-open"
)

// State is how a party is doing.
type State struct {
	Circuit Status `json:"circuit"`
	// Since is when the circuit last left or came back to closed.
	Since time.Time `json:"since"`
	// LastError is why the last failed attempt failed; it stays after recovery.
	LastError string `json:"lastError,omitempty"`
	// Attempts counts the failed attempts since the circuit left closed.
	Attempts int `json:"attempts"`
	// NextAttempt is when the next attempt is due; zero when the circuit is closed.
	NextAttempt time.Time `json:"nextAttempt,omitzero"`
}

// Circuit holds all requests to one party back while it is away, and lets one at a
// time find out whether it is back. Any number of goroutines may use it.
type Circuit struct {
	base, limit time.Duration
	rnd         func() float64

	mu    sync.Mutex
	state State
	// turn counts the changes of state, so that a request which began before the
	// last one has no say any more.
	turn    uint64
	changed chan struct{} // closed and replaced at every change
}

// New makes a closed circuit. An open one waits for a random time (rnd returns a
// number in [0,1)) up to base, doubled with each failure up to limit.
func New(base, limit time.Duration, rnd func() float64) *Circuit {
	return &Circuit{
		base: base, limit: limit, rnd: rnd,
		state: State{Circuit: Closed, Since: time.Now()}, changed: make(chan struct{}),
	}
}

// Current returns the state.
func (c *Circuit) Current() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Enter waits until a request may be made and returns its turn, which goes back
// to Succeed, Fail or Abandon. It returns ctx's error when ctx ends before.
func (c *Circuit) Enter(ctx context.Context) (uint64, error) {
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		turn, wait, changed := c.Try()
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

// Try returns a turn, or how long to wait for one unless the state changes first.
func (c *Circuit) Try() (turn uint64, wait time.Duration, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state.Circuit {
	case Closed:
		return c.turn, 0, nil
	case HalfOpen:
		return 0, whole, c.changed
	case Open:
	}
	if wait := time.Until(c.state.NextAttempt); wait > 0 {
		return 0, wait, c.changed
	}
	c.change(HalfOpen)
	return c.turn, 0, nil
}

// change goes to a state and wakes all that wait. The caller holds mu.
func (c *Circuit) change(to Status) {
	if (to == Closed) != (c.state.Circuit == Closed) {
		c.state.Since = time.Now()
	}
	c.state.Circuit = to
	c.turn++
	close(c.changed)
	c.changed = make(chan struct{})
}

// Succeed tells that the party answered.
func (c *Circuit) Succeed(turn uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn != c.turn || c.state.Circuit == Closed {
		return
	}
	c.state.Attempts, c.state.NextAttempt = 0, time.Time{}
	c.change(Closed)
}

// Fail tells that the party cannot be reached, and not to try again before
// the time it asked for. Of several requests that fail together, one counts.
func (c *Circuit) Fail(turn uint64, reason string, after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn != c.turn {
		return
	}
	delay := max(backoff.Delay(c.state.Attempts, c.base, c.limit, c.rnd), after)
	c.state.Attempts++
	c.state.LastError = reason
	c.state.NextAttempt = time.Now().Add(delay)
	c.change(Open)
}

// Abandon gives the turn back unused: the next one may try at once.
func (c *Circuit) Abandon(turn uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn == c.turn && c.state.Circuit == HalfOpen {
		c.change(Open)
	}
}

package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"tongqu/internal/adapter"
	"tongqu/internal/backoff"
	"tongqu/internal/client"
	"tongqu/internal/record"
	"tongqu/internal/wire"
)

// Mood is how a simulated agency behaves.
type Mood struct {
	// Pace is the time between two answers; a little chance is added.
	Pace time.Duration
	// Slow delays the acceptance of what is delivered.
	Slow time.Duration
	// Down refuses everything with 503.
	Down bool
	// Wrong is the share of documents that get answers no schema allows, 0 to 1.
	Wrong float64
}

// Check reports what is no mood.
func (m Mood) Check() error {
	if m.Pace < 0 || m.Slow < 0 || m.Wrong < 0 || m.Wrong > 1 {
		return errors.New("pace and slow are not negative, wrong is a share from 0 to 1")
	}
	return nil
}

// Settings of a Standin.
type Settings struct {
	// Seed makes the same documents get the same answers again.
	Seed uint64
	Mood Mood
	// HubURL and Token are where the answers go, and as whom.
	HubURL, Token string
}

// maxDelivery is how large a delivered document may be, in bytes.
const maxDelivery = 16 << 20

// Standin is a simulated agency. It takes what the hub delivers to it over HTTP,
// checks it with the schemas of its own interface, and sends its answers to the
// hub over time, in its own format. The same document gets the same answers,
// whatever came before it; a delivery that comes again is not answered again.
type Standin struct {
	Agency   Agency
	registry *adapter.Registry
	settings Settings
	hub      *client.Client
	log      *zap.Logger

	mu       sync.Mutex
	answered map[string]bool // ids of deliveries
	due      chan pending
}

// pending are the answers to one delivery.
type pending struct {
	answers []Reply
	rng     *rand.Rand
}

// NewStandin makes the stand-in of an agency; Run sends its answers.
func NewStandin(a Agency, r *adapter.Registry, s Settings, log *zap.Logger) *Standin {
	return &Standin{
		Agency: a, registry: r, settings: s, hub: client.New(s.HubURL, s.Token), log: log.Named(a.Name),
		answered: map[string]bool{}, due: make(chan pending, 1024),
	}
}

// ServeHTTP takes one delivery: 204 when it could be read, 422 with the faults
// when the agency's own check refuses it.
func (s *Standin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.settings.Mood.Down {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	if backoff.Wait(r.Context(), s.settings.Mood.Slow) != nil {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDelivery))
	if err != nil {
		http.Error(w, "cannot be read", http.StatusBadRequest)
		return
	}
	t := s.read(r, body)
	if t.Faults.Refuses() {
		answerJSON(w, http.StatusUnprocessableEntity, t.Faults)
		return
	}
	for i := range t.Records {
		if t.Records[i].Faults.Refuses() {
			answerJSON(w, http.StatusUnprocessableEntity, t.Records[i].Faults)
			return
		}
	}
	s.take(r.Context(), t)
	w.WriteHeader(http.StatusNoContent)
}

// read translates what came: a document of the agency's format, or the canonical
// JSON with its type in the CloudEvents header.
func (s *Standin) read(r *http.Request, body []byte) *adapter.Translation {
	if wire.Sniff(body) == wire.JSON && r.Header.Get("Ce-Type") != "" {
		body = fmt.Appendf(nil, `{"type":%q,"record":%s}`, r.Header.Get("Ce-Type"), body)
	}
	return s.registry.Translate(body, "")
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// take plans the answers of a document.
func (s *Standin) take(ctx context.Context, t *adapter.Translation) {
	for i := range t.Records {
		rec := &t.Records[i]
		id := rec.Type
		if len(rec.Keys) > 0 {
			id += " " + rec.Keys[0].Value + " " + rec.Version.String()
		}
		s.mu.Lock()
		before := s.answered[id]
		s.answered[id] = true
		s.mu.Unlock()
		if before {
			continue
		}
		h := fnv.New64a()
		_, _ = h.Write([]byte(id))
		rng := rand.New(rand.NewPCG(s.settings.Seed, h.Sum64())) //nolint:gosec // repeatable on purpose
		answers := s.Agency.Answer(&Request{Message: t.Adapter + "/" + t.Message, Family: record.Family(rec.Type), Root: rec.Root, rng: rng, registry: s.registry})
		if len(answers) == 0 {
			continue
		}
		select {
		case s.due <- pending{answers, rng}:
		case <-ctx.Done():
			return
		}
	}
}

// Run sends the answers until ctx ends.
func (s *Standin) Run(ctx context.Context) {
	defer s.hub.Close()
	var sending sync.WaitGroup
	defer sending.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-s.due:
			sending.Go(func() { s.answer(ctx, p) })
		}
	}
}

// answer sends the answers to one document, one after the other.
func (s *Standin) answer(ctx context.Context, p pending) {
	for _, a := range p.answers {
		pause := s.settings.Mood.Pace + time.Duration(p.rng.Float64()*float64(s.settings.Mood.Pace)/2)
		if backoff.Wait(ctx, pause) != nil {
			return
		}
		body, err := s.write(a, time.Now())
		if err != nil {
			s.log.Error("an answer cannot be written", zap.String("message", a.Message), zap.Error(err))
			return
		}
		if p.rng.Float64() < s.settings.Mood.Wrong {
			body = body[:len(body)*2/3]
		}
		if s.send(ctx, a.Message, body) != nil {
			return
		}
	}
}

// write makes the document of one answer.
func (s *Standin) write(a Reply, now time.Time) ([]byte, error) {
	body, err := json.Marshal(a.Record(now))
	if err != nil {
		return nil, fmt.Errorf("writing an answer: %w", err)
	}
	doc, err := s.registry.Encode(a.Message, [][]byte{body}, adapter.Transfer{ID: uuid.NewString(), Sender: a.Sender, Receiver: a.Receiver, At: now})
	if err != nil {
		return nil, fmt.Errorf("writing an answer: %w", err)
	}
	return doc.Body, nil
}

// send gives the hub one document, and tries again while the hub cannot take it.
func (s *Standin) send(ctx context.Context, message string, body []byte) error {
	for attempt := 0; ; attempt++ {
		answer, err := s.hub.Send(ctx, "", body)
		switch {
		case err == nil && answer.Status < http.StatusInternalServerError && answer.Status != http.StatusTooManyRequests:
			if answer.Status >= http.StatusBadRequest {
				s.log.Warn("the hub refuses an answer", zap.String("message", message), zap.Int("status", answer.Status))
			}
			return nil
		case errors.Is(err, context.Canceled):
			return err
		}
		if err := backoff.Wait(ctx, backoff.Delay(attempt, 100*time.Millisecond, 5*time.Second, rand.Float64)); err != nil {
			return err
		}
	}
}

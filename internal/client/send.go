package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"tongqu/internal/backoff"
)

// Sent is what became of one file.
type Sent struct {
	File       string `json:"file"`
	Status     int    `json:"status"`
	DocumentID string `json:"documentId,omitempty"`
	Message    string `json:"message,omitempty"`
	Accepted   int    `json:"accepted"`
	Rejected   int    `json:"rejected"`
	Duplicates int    `json:"duplicates"`
	Detail     string `json:"detail,omitempty"`
	// Err is set when the file was not recorded: it could not be read, the hub could
	// not be asked, or did not take it. Detail then tells why.
	Err error `json:"-"`
}

// Summary counts files and records; Files = Accepted + Rejected + Duplicates + Failed.
type Summary struct {
	Files      int `json:"files"`
	Accepted   int `json:"accepted"`
	Rejected   int `json:"rejected"`
	Duplicates int `json:"duplicates"`
	// Failed files were not recorded: they can be sent again.
	Failed  int    `json:"failed"`
	Records Counts `json:"records"`
}

// Counts of records.
type Counts struct {
	Accepted   int `json:"accepted"`
	Rejected   int `json:"rejected"`
	Duplicates int `json:"duplicates"`
}

// Files lists the files that the arguments name, folders whole, hidden files left out.
func Files(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		err := filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path != arg && d.Name()[0] == '.':
				return fs.SkipDir
			case d.Type().IsRegular() && d.Name()[0] != '.':
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", arg, err)
		}
	}
	return files, nil
}

// SendFiles sends the files in order over several connections and tells each
// result as it comes; done is called from one goroutine at a time.
func (c *Client) SendFiles(ctx context.Context, files []string, adapter string, connections int, done func(Sent)) Summary {
	next := make(chan string)
	go func() {
		defer close(next)
		for _, f := range files {
			select {
			case next <- f:
			case <-ctx.Done():
				return
			}
		}
	}()
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		summary Summary
	)
	for range connections {
		wg.Go(func() {
			for f := range next {
				sent := c.sendFile(ctx, f, adapter)
				mu.Lock()
				summary.add(sent)
				done(sent)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return summary
}

func (s *Summary) add(sent Sent) {
	s.Files++
	s.Records.Accepted += sent.Accepted
	s.Records.Rejected += sent.Rejected
	s.Records.Duplicates += sent.Duplicates
	switch {
	case sent.Err != nil:
		s.Failed++
	case sent.Accepted > 0:
		s.Accepted++
	case sent.Duplicates > 0:
		s.Duplicates++
	default:
		s.Rejected++
	}
}

// read takes from the answer what a result tells; an outcome's own status is a word.
func (s *Sent) read(body []byte) error {
	var a struct {
		DocumentID string `json:"documentId"`
		Message    string `json:"message"`
		Accepted   int    `json:"accepted"`
		Rejected   int    `json:"rejected"`
		Duplicates int    `json:"duplicates"`
		Detail     string `json:"detail"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	s.DocumentID, s.Message, s.Detail = a.DocumentID, a.Message, a.Detail
	s.Accepted, s.Rejected, s.Duplicates = a.Accepted, a.Rejected, a.Duplicates
	return nil
}

// A file is sent again when the hub asks to wait (429, 503), so often, and after
// what the hub asks for but no longer than maxWait.
const (
	attempts = 5
	maxWait  = 30 * time.Second
)

func (c *Client) sendFile(ctx context.Context, file, adapter string) Sent {
	sent := Sent{File: file}
	if err := c.trySend(ctx, &sent, adapter); err != nil {
		sent.Err, sent.Detail = err, err.Error()
	}
	return sent
}

// trySend fills sent; an error means that the file was not recorded.
func (c *Client) trySend(ctx context.Context, sent *Sent, adapter string) error {
	body, err := os.ReadFile(sent.File)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		answer, err := c.Send(ctx, adapter, body)
		if err != nil {
			return err
		}
		sent.Status = answer.Status
		busy := answer.Status == http.StatusTooManyRequests || answer.Status == http.StatusServiceUnavailable
		if busy && attempt < attempts {
			wait := answer.RetryAfter
			if wait < 0 {
				wait = time.Duration(attempt) * time.Second
			}
			if backoff.Wait(ctx, min(wait, maxWait)) == nil {
				continue
			}
		}
		if err := sent.read(answer.Body); err != nil {
			return fmt.Errorf("answer %d: %w", answer.Status, err)
		}
		if busy || answer.Status == http.StatusUnauthorized || answer.Status >= http.StatusInternalServerError {
			return errors.New(sent.Detail)
		}
		return nil
	}
}

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
	// Err is set when the hub could not be asked, or could not record.
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
func (s *Sent) read(body []byte) {
	var a struct {
		DocumentID string `json:"documentId"`
		Message    string `json:"message"`
		Accepted   int    `json:"accepted"`
		Rejected   int    `json:"rejected"`
		Duplicates int    `json:"duplicates"`
		Detail     string `json:"detail"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		s.Err = fmt.Errorf("reading the answer: %w", err)
		return
	}
	s.DocumentID, s.Message, s.Detail = a.DocumentID, a.Message, a.Detail
	s.Accepted, s.Rejected, s.Duplicates = a.Accepted, a.Rejected, a.Duplicates
}

// attempts is how often a file is sent when the hub asks to wait (429, 503).
const attempts = 5

func (c *Client) sendFile(ctx context.Context, file, adapter string) Sent {
	sent := Sent{File: file}
	body, err := os.ReadFile(file) //nolint:gosec // the user names the file
	if err != nil {
		sent.Err = err
		return sent
	}
	for attempt := 1; ; attempt++ {
		answer, err := c.Send(ctx, adapter, body)
		if err != nil {
			sent.Err = err
			return sent
		}
		sent.Status = answer.Status
		busy := answer.Status == http.StatusTooManyRequests || answer.Status == http.StatusServiceUnavailable
		if busy && attempt < attempts {
			select {
			case <-time.After(time.Duration(attempt) * time.Second):
				continue
			case <-ctx.Done():
			}
		}
		sent.read(answer.Body)
		if busy || answer.Status == http.StatusUnauthorized {
			sent.Err = errors.New(sent.Detail)
		}
		return sent
	}
}

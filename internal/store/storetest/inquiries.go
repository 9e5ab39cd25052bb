package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tongqu/internal/store"
)

// NewInquiry makes an answered inquiry of an agency at minute n.
func NewInquiry(agency string, n int) store.Inquiry {
	return store.Inquiry{
		ID: uuid.Must(uuid.NewV7()).String(), Agency: agency, Resource: "305001/000001", Purpose: "订购人身份核验", At: Start.Add(time.Duration(n) * time.Minute),
		Took: time.Duration(n+1) * time.Millisecond, Status: store.InquiryAnswered, Source: store.FromAgency, Outcome: "match",
		Fingerprint: fmt.Appendf(nil, "hash %d", n), Request: fmt.Appendf(nil, `{"n":%d}`, n), Answer: []byte(`{"outcome":"match"}`), Errors: []byte(`[]`),
	}
}

func testInquiries(t *testing.T, open Opener) {
	t.Helper()
	t.Run("keep the question and get their answer", func(t *testing.T) {
		place := t.TempDir()
		s := open(t, place)
		asked := NewInquiry("platform", 1)
		begun := asked
		begun.Status, begun.Took, begun.Outcome, begun.Answer, begun.Errors, begun.Fingerprint = store.InquiryOpen, 0, "", nil, nil, nil
		require.NoError(t, s.SaveInquiries(t.Context(), []store.Inquiry{begun}))
		require.Equal(t, []store.Inquiry{begun}, inquiries(t, s, store.InquiryQuery{}))
		later := asked
		later.Purpose, later.Agency, later.Request = "another", "another", []byte(`{}`)
		require.NoError(t, s.SaveInquiries(t.Context(), []store.Inquiry{later}))
		require.Equal(t, []store.Inquiry{asked}, inquiries(t, s, store.InquiryQuery{}))
		require.NoError(t, s.Close())
		s = open(t, place)
		require.Equal(t, []store.Inquiry{asked}, inquiries(t, s, store.InquiryQuery{}))
		require.NoError(t, s.Close())
		require.ErrorIs(t, s.SaveInquiries(t.Context(), []store.Inquiry{asked}), store.ErrUnavailable)
	})

	t.Run("are written all or none", func(t *testing.T) {
		s := opened(t, open)
		bad := NewInquiry("platform", 1)
		bad.ID = "none"
		require.ErrorIs(t, s.SaveInquiries(t.Context(), []store.Inquiry{NewInquiry("platform", 0), bad}), store.ErrUnavailable)
		require.Empty(t, inquiries(t, s, store.InquiryQuery{}))
		require.NoError(t, s.SaveInquiries(t.Context(), nil))
	})

	t.Run("are listed newest first, page by page", func(t *testing.T) {
		s := opened(t, open)
		var all []store.Inquiry
		for n := range 25 {
			q := NewInquiry([]string{"platform", "customs"}[n%2], n)
			if n%5 == 0 {
				q.Status = store.InquiryFailed
			}
			if n%3 == 0 {
				q.Resource = "302003/000002"
			}
			all = append([]store.Inquiry{q}, all...)
		}
		var writing sync.WaitGroup
		for i := range all {
			writing.Go(func() { _ = s.SaveInquiries(t.Context(), all[i:i+1]) })
		}
		writing.Wait()
		require.Equal(t, all, inquiries(t, s, store.InquiryQuery{Limit: 7}))
		for name, c := range map[string]struct {
			query store.InquiryQuery
			wants func(q *store.Inquiry) bool
		}{
			"agency":   {store.InquiryQuery{Agency: "customs"}, func(q *store.Inquiry) bool { return q.Agency == "customs" }},
			"resource": {store.InquiryQuery{Resource: "302003/000002"}, func(q *store.Inquiry) bool { return q.Resource == "302003/000002" }},
			"status":   {store.InquiryQuery{Status: store.InquiryFailed}, func(q *store.Inquiry) bool { return q.Status == store.InquiryFailed }},
			"time": {store.InquiryQuery{From: Start.Add(5 * time.Minute), To: Start.Add(9 * time.Minute)}, func(q *store.Inquiry) bool {
				return !q.At.Before(Start.Add(5*time.Minute)) && q.At.Before(Start.Add(9*time.Minute))
			}},
			"nobody": {store.InquiryQuery{Agency: "tax"}, func(*store.Inquiry) bool { return false }},
		} {
			var want []store.Inquiry
			for i := range all {
				if c.wants(&all[i]) {
					want = append(want, all[i])
				}
			}
			c.query.Limit = 2
			require.Equal(t, want, inquiries(t, s, c.query), name)
		}
		_, err := s.Inquiries(t.Context(), store.InquiryQuery{Cursor: "none"})
		require.Error(t, err)
	})

	t.Run("answer again", func(t *testing.T) {
		s := opened(t, open)
		first, second := NewInquiry("platform", 1), NewInquiry("customs", 2)
		second.Fingerprint = first.Fingerprint
		cached, failed, other := second, second, NewInquiry("platform", 3)
		cached.ID, cached.Source = uuid.Must(uuid.NewV7()).String(), store.FromCache
		failed.ID, failed.Status = uuid.Must(uuid.NewV7()).String(), store.InquiryFailed
		require.NoError(t, s.SaveInquiries(t.Context(), []store.Inquiry{first, second, cached, failed, other}))
		got, err := s.AgencyAnswer(t.Context(), first.Fingerprint, first.At, []string{"match"})
		require.NoError(t, err)
		require.Equal(t, second, got, "the newest that the agency gave")
		for name, ask := range map[string]func() (store.Inquiry, error){
			"too old": func() (store.Inquiry, error) {
				return s.AgencyAnswer(t.Context(), first.Fingerprint, second.At.Add(time.Microsecond), []string{"match"})
			},
			"another outcome": func() (store.Inquiry, error) {
				return s.AgencyAnswer(t.Context(), first.Fingerprint, first.At, []string{"mismatch", "no-record"})
			},
			"no outcome": func() (store.Inquiry, error) { return s.AgencyAnswer(t.Context(), first.Fingerprint, first.At, nil) },
			"another question": func() (store.Inquiry, error) {
				return s.AgencyAnswer(t.Context(), []byte{9}, first.At, []string{"match"})
			},
		} {
			_, err := ask()
			require.ErrorIs(t, err, store.ErrNotFound, name)
		}
	})
}

// inquiries are all that q finds, page by page.
func inquiries(t *testing.T, s store.Store, q store.InquiryQuery) []store.Inquiry {
	t.Helper()
	var all []store.Inquiry
	for {
		page, err := s.Inquiries(t.Context(), q)
		require.NoError(t, err)
		all = append(all, page.Items...)
		if page.Next == "" {
			return all
		}
		q.Cursor = page.Next
	}
}

/* SPDX-License-Identifier: MIT */
#include "clients.h"

#include <string.h>

void token_at_end(const struct ring *ring, struct ioctl_token *token)
{
	token->stream = ring->stream;
	token->position = ring->head;
	memcpy(token->passed, ring->written, sizeof token->passed);
}

/* Whether each of the counts of `less` is at most that of `more`. */
static bool counts_at_most(const uint64_t *less, const uint64_t *more)
{
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		if (less[kind] > more[kind])
			return false;
	return true;
}

/* The oldest place that can be looked at, not before `known`. */
static void token_to_look_from(const struct ring *ring, const struct ioctl_token *known,
			       struct ioctl_token *from)
{
	if (known && known->position >= ring->tail) {
		*from = *known;
		return;
	}
	from->stream = ring->stream;
	from->position = ring->tail;
	memcpy(from->passed, ring->evicted, sizeof from->passed);
}

/* Moves a token that is not at the end past one record, whose header it returns. */
static void token_pass(const struct ring *ring, struct ioctl_token *token,
		       struct record_header *header)
{
	ring_read_header(ring, token->position, header);
	token->passed[RECORD_LOST_INDEX(header->kind)]++;
	token->position += header->size;
}

bool token_is_valid(const struct ring *ring, const struct ioctl_token *known,
		    const struct ioctl_token *token)
{
	struct ioctl_token place;
	struct record_header header;

	if (token->stream != ring->stream || token->position > ring->head || token->position % 8)
		return false;
	if (known &&
	    (token->position < known->position || !counts_at_most(known->passed, token->passed)))
		return false;
	if (token->position < ring->tail)
		return counts_at_most(token->passed, ring->evicted);

	token_to_look_from(ring, known, &place);
	while (place.position < token->position)
		token_pass(ring, &place, &header);
	return place.position == token->position &&
	       memcmp(place.passed, token->passed, sizeof place.passed) == 0;
}

bool client_has_records(const struct client *client, const struct ring *ring)
{
	return client->token.position < ring->head;
}

static void note_passage(struct resident *resident, const struct client *client)
{
	struct passage *passage = &resident->passages[resident->passage_count];

	if (resident->passage_count == PASSAGES_MAX) {
		memcpy(passage[-1].lost, client->lost, sizeof client->lost);
		return;
	}
	passage->position = client->token.position;
	memcpy(passage->lost, client->lost, sizeof client->lost);
	resident->passage_count++;
}

/* Counts what the client can no longer read, and goes on behind it. */
static void skip_evicted(struct clients *clients, struct client *client, const struct ring *ring)
{
	struct ioctl_token *token = &client->token;

	if (token->position >= ring->tail)
		return;
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		client->lost[kind] += ring->evicted[kind] - token->passed[kind];
	token_to_look_from(ring, NULL, token);
	if (client->resident)
		note_passage(&clients->resident, client);
}

static void stamp_lost(struct record_header *header, const struct client *client)
{
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		header->lost[kind] = (uint32_t)client->lost[kind];
}

size_t client_read(struct clients *clients, struct client *client, const struct ring *ring,
		   void *buffer, size_t size)
{
	struct ioctl_batch batch = {.size = sizeof batch};
	struct record_header header;

	if (size > CLIENT_BATCH_SIZE_MAX)
		size = CLIENT_BATCH_SIZE_MAX;
	skip_evicted(clients, client, ring);
	batch.position = client->token.position;
	while (client->token.position < ring->head) {
		uint64_t position = client->token.position;
		uint8_t *record = (uint8_t *)buffer + batch.size;

		ring_read_header(ring, position, &header);
		if (header.size > size - batch.size)
			break;
		ring_read(ring, position, record, header.size);
		stamp_lost(&header, client);
		memcpy(record, &header, sizeof header);
		batch.size += header.size;
		batch.count++;
		token_pass(ring, &client->token, &header);
	}
	batch.token = client->token;
	memcpy(batch.lost, client->lost, sizeof batch.lost);
	memcpy(buffer, &batch, sizeof batch);
	return batch.size;
}

void resident_begin(struct clients *clients, const struct ring *ring, const char *version,
		    int64_t now_ns)
{
	struct resident *resident = &clients->resident;

	memset(resident->version, 0, sizeof resident->version);
	for (size_t i = 0; i < sizeof resident->version - 1 && version[i]; i++)
		resident->version[i] = version[i];
	if (resident->resides)
		return;
	resident->resides = true;
	resident->since_ns = now_ns;
	resident->passage_count = 0;
	memset(resident->lost, 0, sizeof resident->lost);
	token_at_end(ring, &resident->token);
}

void resident_end(struct clients *clients)
{
	struct resident *resident = &clients->resident;

	if (resident->reader)
		resident->reader->resident = false;
	memset(resident, 0, sizeof *resident);
}

void resident_hand_to(struct clients *clients, struct client *client)
{
	struct resident *resident = &clients->resident;

	resident->reader = client;
	resident->passage_count = 0;
	client->resident = true;
	client->token = resident->token;
	memcpy(client->lost, resident->lost, sizeof client->lost);
}

/* Settles the overruns up to the token that has been acknowledged. */
static void settle_passages(struct resident *resident)
{
	uint32_t settled = 0;

	while (settled < resident->passage_count &&
	       resident->passages[settled].position <= resident->token.position) {
		memcpy(resident->lost, resident->passages[settled].lost, sizeof resident->lost);
		settled++;
	}
	resident->passage_count -= settled;
	memmove(resident->passages, resident->passages + settled,
		resident->passage_count * sizeof *resident->passages);
}

bool resident_acknowledge(struct clients *clients, const struct ring *ring,
			  const struct ioctl_token *token)
{
	struct resident *resident = &clients->resident;

	if (!resident->reader || token->position > resident->reader->token.position ||
	    !counts_at_most(token->passed, resident->reader->token.passed) ||
	    !token_is_valid(ring, &resident->token, token))
		return false;
	resident->token = *token;
	settle_passages(resident);
	return true;
}

/* SPDX-License-Identifier: MIT */
/* Requests that nobody should make: each gets an error, and the driver lives. */
#include "driver_tests.h"
#include "helper_client.h"
#include "tap.h"

#include <stddef.h>
#include <string.h>

#define RANDOM_REQUESTS 25000
#define BUFFER_SIZE	(CLIENT_BUFFER_MIN + 64)

struct form {
	const char *name;
	DWORD code;
	DWORD in_size;
	DWORD out_size;
};

static const struct form forms[] = {
    {"query", IOCTL_PROCOBSRV_QUERY, 0, sizeof(struct ioctl_information)},
    {"activate", IOCTL_PROCOBSRV_ACTIVATE_MONITORING, sizeof(struct ioctl_activation),
     sizeof(struct ioctl_activated)},
    {"read", IOCTL_PROCOBSRV_READ, sizeof(struct ioctl_read), CLIENT_BUFFER_MIN},
    {"acknowledge", IOCTL_PROCOBSRV_ACKNOWLEDGE, sizeof(struct ioctl_acknowledgement), 0},
    {"reside", IOCTL_PROCOBSRV_RESIDE, sizeof(struct ioctl_residence), 0},
};

#define FORM_COUNT (sizeof(forms) / sizeof(forms[0]))

static uint8_t input[BUFFER_SIZE];
static uint8_t output[BUFFER_SIZE];

/* An input of the right form, whose only fault is the one that the caller adds. */
static void make_sound(const struct form *form)
{
	struct ioctl_header header = {form->in_size, IOCTL_PROCOBSRV_VERSION};

	memset(input, 0, sizeof(input));
	if (form->in_size >= sizeof(header))
		memcpy(input, &header, sizeof(header));
	if (form->code == IOCTL_PROCOBSRV_ACTIVATE_MONITORING)
		input[offsetof(struct ioctl_activation, flags)] = IOCTL_ACTIVATE;
}

/* The driver serves a client as ever. */
static void expect_alive(void)
{
	struct client client;
	struct ioctl_information information;
	DWORD error = client_open(&client, 0);

	check(error == 0, "the device cannot be opened any more: error %lu", error);
	if (error == 0) {
		error = client_query(&client, &information);
		check(error == 0, "the driver does not answer any more: error %lu", error);
		check(information.clients == 0 &&
			  information.flags == (information.flags & (IOCTL_DRIVER_HAS_COMMAND_LINE |
								     IOCTL_DRIVER_32_BIT)),
		      "something was activated: %u clients, flags %#x", information.clients,
		      information.flags);
		client_close(&client);
	}
}

static void try_size(struct client *client, const struct form *form, DWORD in_size, DWORD out_size)
{
	DWORD written = 0;
	struct ioctl_header header = {in_size, IOCTL_PROCOBSRV_VERSION};
	DWORD error;

	make_sound(form);
	/* The struct itself says the size that it has, too. */
	if (in_size >= sizeof(header) && form->in_size)
		memcpy(input, &header, sizeof(header));
	memset(output, 0xa5, sizeof(output));
	error = client_control(client, form->code, in_size ? input : NULL, in_size,
			       out_size ? output : NULL, out_size, &written);
	check(error != 0, "%s with %lu bytes in and %lu out succeeds", form->name, in_size,
	      out_size);
	check(written == 0, "%s with %lu bytes in fails and writes %lu", form->name, in_size,
	      written);
}

void test_sizes(void)
{
	struct client client;

	if (!begin())
		return;
	check(client_open(&client, 0) == 0, "the device cannot be opened");
	for (size_t index = 0; index < FORM_COUNT; index++) {
		const struct form *form = &forms[index];

		for (DWORD size = 0; size <= form->in_size + 8; size++)
			if (size != form->in_size)
				try_size(&client, form, size, form->out_size);
		/* A read takes any buffer that is large enough. */
		for (DWORD size = 0; size <= form->out_size + 8; size += size < 512 ? 1 : 509)
			if (size < form->out_size ||
			    (size > form->out_size && form->code != IOCTL_PROCOBSRV_READ))
				try_size(&client, form, form->in_size, size);
	}
	client_close(&client);
	expect_alive();
	end();
}

void test_codes(void)
{
	struct client client;

	if (!begin())
		return;
	check(client_open(&client, 0) == 0, "the device cannot be opened");
	make_sound(&forms[1]);
	for (DWORD function = 0; function < 0x1000; function++) {
		DWORD code = IOCTL_PROCOBSRV_CODE(function);
		DWORD known = function >= 0x800 && function <= 0x804;

		/* The other methods, and other rights, are other codes. */
		for (DWORD method = known; method < 4; method++)
			check(client_control(&client, code | method, input,
					     sizeof(struct ioctl_activation), output,
					     sizeof(struct ioctl_activated), NULL) != 0,
			      "code %#lx is known", code | method);
		if (known)
			check(client_control(&client, code & ~0xc000u, NULL, 0, output,
					     sizeof(struct ioctl_information), NULL) != 0,
			      "code %#lx is known", code & ~0xc000u);
	}
	client_close(&client);
	expect_alive();
	end();
}

/* One 32-bit word of a sound input is replaced. */
static void try_word(struct client *client, const struct form *form, size_t offset, uint32_t value)
{
	make_sound(form);
	memcpy(input + offset, &value, sizeof(value));
	check(client_control(client, form->code, input, form->in_size, output, form->out_size,
			     NULL) != 0,
	      "%s with %#x at %zu succeeds", form->name, value, offset);
}

void test_values(void)
{
	static const uint32_t words[] = {0,	     2,		 3,	     7,
					 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
	struct client client;

	if (!begin())
		return;
	check(client_open(&client, 0) == 0, "the device cannot be opened");
	for (size_t word = 0; word < sizeof(words) / sizeof(words[0]); word++) {
		for (size_t index = 1; index < FORM_COUNT; index++) {
			try_word(&client, &forms[index], offsetof(struct ioctl_header, size),
				 words[word]);
			try_word(&client, &forms[index], offsetof(struct ioctl_header, version),
				 words[word]);
		}
		/* 0 deactivates, which this client cannot; 3 resumes from no token. */
		if (words[word] != 0)
			try_word(&client, &forms[1], offsetof(struct ioctl_activation, reserved),
				 words[word]);
		try_word(&client, &forms[1], offsetof(struct ioctl_activation, flags), words[word]);
		if (words[word] > 1)
			try_word(&client, &forms[4], offsetof(struct ioctl_residence, reside),
				 words[word]);
		if (words[word] != 0)
			try_word(&client, &forms[4], offsetof(struct ioctl_residence, reserved),
				 words[word]);
	}
	/* What needs an activation, without one. */
	check(client_begin_read(&client) != 0 && !client.waiting, "a client that has not "
								  "activated reads");
	check(client_acknowledge(&client, &client.token) != 0, "and acknowledges");
	make_sound(&forms[4]);
	memset(input + offsetof(struct ioctl_residence, version), 'v', 32);
	check(client_control(&client, IOCTL_PROCOBSRV_RESIDE, input, forms[4].in_size, NULL, 0,
			     NULL) != 0,
	      "a version without an end is taken");
	client_close(&client);
	expect_alive();
	end();
}

/* The same on each machine: xorshift. */
static uint32_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % limit;
}

static void fill_random(uint32_t size)
{
	for (uint32_t index = 0; index < size; index++)
		input[index] = (uint8_t)random_below(256);
}

/* A code that exists, or nearly so, with an input that has a fault at least. */
static void try_random(struct client *client, uint32_t number)
{
	const struct form *form = &forms[random_below(FORM_COUNT)];
	DWORD code = form->code;
	DWORD in_size = form->in_size;
	DWORD out_size = form->out_size;

	make_sound(form);
	switch (random_below(4)) {
	case 0: /* anything */
		fill_random(256);
		in_size = random_below(256);
		out_size = random_below(512);
		code = form->code ^ (1u << random_below(32));
		break;
	case 1: /* another size */
		in_size += 1 + random_below(64);
		break;
	case 2: /* a fault in the header */
		if (form->in_size == 0)
			in_size = 1 + random_below(64);
		else
			input[random_below(sizeof(struct ioctl_header))] ^=
			    (uint8_t)(1 + random_below(255));
		break;
	default: /* the right size and header, and nothing behind it that makes sense */
		fill_random(256);
		if (form->in_size == 0)
			out_size = form->out_size - 1 - random_below(form->out_size);
		else
			input[4] = 0;
		break;
	}
	check(client_control(client, code, input, in_size, output, out_size, NULL) != 0,
	      "request %u succeeds: code %#lx, %lu bytes in, %lu out", number, code, in_size,
	      out_size);
}

void test_random_requests(void)
{
	struct client client;

	if (!begin())
		return;
	random_state = 20261123;
	check(client_open(&client, 0) == 0, "the device cannot be opened");
	for (uint32_t number = 0; number < RANDOM_REQUESTS; number++)
		try_random(&client, number);
	client_close(&client);
	expect_alive();
	end();
}

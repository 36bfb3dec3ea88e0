/* SPDX-License-Identifier: MIT */
/* Malformed requests: each is refused, writes nothing, and changes nothing. */
#include "driver_client.h"

#include "status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct form {
	uint32_t code;
	size_t input, output;
	size_t output_least; /* of a read: any size from here on */
} forms[] = {
    {IOCTL_PROCOBSRV_QUERY, 0, sizeof(struct ioctl_information), 0},
    {IOCTL_PROCOBSRV_ACTIVATE_MONITORING, sizeof(struct ioctl_activation),
     sizeof(struct ioctl_activated), 0},
    {IOCTL_PROCOBSRV_READ, sizeof(struct ioctl_read), 0, READ_SIZE_MIN},
    {IOCTL_PROCOBSRV_ACKNOWLEDGE, sizeof(struct ioctl_acknowledgement), 0, 0},
    {IOCTL_PROCOBSRV_RESIDE, sizeof(struct ioctl_residence), 0, 0},
};
#define FORM_COUNT (sizeof forms / sizeof *forms)

/* A read that is served must not wait: there is always something to read. */
struct bench {
	struct observer *observer;
	struct driver_client active;   /* the resident reader */
	struct driver_client inactive; /* a handle that is only open */
};

static void begin(struct bench *bench)
{
	struct observation observation;

	bench->observer = observer_create(RING_SIZE_MIN, 0);
	driver_client_open(&bench->active, bench->observer, READ_SIZE_MIN);
	driver_client_open(&bench->inactive, bench->observer, READ_SIZE_MIN);
	assert_int_equal(driver_client_reside(&bench->active, true), OBSERVER_OK);
	assert_int_equal(driver_client_activate(&bench->active, IOCTL_ACTIVATE_RESIDENT, NULL),
			 OBSERVER_OK);
	for (uint32_t pid = 1; pid <= 3; pid++) {
		make_observation(&observation, RECORD_START, pid);
		observer_keep(bench->observer, &observation);
	}
}

static void end(struct bench *bench)
{
	driver_client_close(&bench->active);
	driver_client_close(&bench->inactive);
	observer_destroy(bench->observer);
	assert_int_equal(host_left(), 0);
}

static void expect_unchanged(struct bench *bench, const struct ioctl_information *before)
{
	struct ioctl_information now;

	driver_client_query(&bench->active, &now);
	assert_memory_equal(&now, before, sizeof now);
}

/* An input that would be served if its sizes were right. */
static void fill_input(uint32_t code, uint8_t *input, size_t size, uint32_t version)
{
	struct ioctl_header header = {(uint32_t)size, version};

	memset(input, 0, 256);
	memcpy(input, &header, sizeof header);
	if (code == IOCTL_PROCOBSRV_ACTIVATE_MONITORING)
		input[offsetof(struct ioctl_activation, flags)] = IOCTL_ACTIVATE;
	if (code == IOCTL_PROCOBSRV_RESIDE)
		input[offsetof(struct ioctl_residence, reside)] = 1;
}

static void every_size_but_the_right_one_is_refused(void **state)
{
	uint8_t input[256], output[512];
	struct ioctl_information before;
	struct bench bench;
	size_t written;

	(void)state;
	begin(&bench);
	driver_client_query(&bench.active, &before);
	for (size_t i = 0; i < FORM_COUNT; i++) {
		const struct form *form = &forms[i];
		for (size_t in = 0; in <= form->input + 8; in++)
			for (size_t out = 0; out <= form->output + 8; out++) {
				if (in == form->input && out == form->output && !form->output_least)
					continue;
				fill_input(form->code, input, in, IOCTL_PROCOBSRV_VERSION);
				int32_t status = serve(&bench.inactive, form->code, input, in,
						       output, out, &written);
				assert_int_not_equal(status, OBSERVER_OK);
				assert_int_not_equal(status, OBSERVER_PENDING);
				assert_int_equal(written, 0);
			}
	}
	expect_unchanged(&bench, &before);
	end(&bench);
}

static void a_read_needs_room_for_any_record(void **state)
{
	struct ioctl_read input = {{sizeof input, IOCTL_PROCOBSRV_VERSION}};
	static uint8_t output[READ_SIZE_MIN];
	struct bench bench;
	size_t written;

	(void)state;
	begin(&bench);
	for (size_t less = 1; less <= READ_SIZE_MIN - sizeof input; less += less < 16 ? 1 : 997)
		assert_int_equal(serve(&bench.active, IOCTL_PROCOBSRV_READ, &input, sizeof input,
				       output, READ_SIZE_MIN - less, &written),
				 OBSERVER_BUFFER_TOO_SMALL);
	assert_int_equal(driver_client_read(&bench.active), OBSERVER_OK);
	end(&bench);
}

static void the_size_and_version_within_are_checked(void **state)
{
	uint8_t input[256], output[512];
	struct ioctl_information before;
	struct bench bench;
	size_t written;

	(void)state;
	begin(&bench);
	driver_client_query(&bench.active, &before);
	for (size_t i = 1; i < FORM_COUNT; i++) {
		const struct form *form = &forms[i];
		static const uint32_t versions[] = {0, 2, 0x10001, UINT32_MAX};
		for (size_t v = 0; v < sizeof versions / sizeof *versions; v++) {
			fill_input(form->code, input, form->input, versions[v]);
			assert_int_equal(serve(&bench.inactive, form->code, input, form->input,
					       output, form->output, &written),
					 OBSERVER_REVISION_MISMATCH);
		}
		for (uint32_t size = 0; size < 300; size++) {
			if (size == form->input)
				continue;
			fill_input(form->code, input, size, IOCTL_PROCOBSRV_VERSION);
			assert_int_equal(serve(&bench.inactive, form->code, input, form->input,
					       output, form->output, &written),
					 OBSERVER_INVALID_LENGTH);
		}
	}
	expect_unchanged(&bench, &before);
	end(&bench);
}

static void wrong_values_are_refused(void **state)
{
	struct ioctl_activated activated;
	struct bench bench;
	size_t written;

	(void)state;
	begin(&bench);
	for (uint32_t flags = 0; flags < 1000; flags++) {
		struct ioctl_activation activation = {{sizeof activation, IOCTL_PROCOBSRV_VERSION},
						      .flags = flags};
		int32_t status =
		    serve(&bench.inactive, IOCTL_PROCOBSRV_ACTIVATE_MONITORING, &activation,
			  sizeof activation, &activated, sizeof activated, &written);
		int32_t expected = OBSERVER_INVALID_PARAMETER;
		if (flags == 0)
			expected = OBSERVER_INVALID_STATE; /* it is not active */
		else if (flags == (IOCTL_ACTIVATE | IOCTL_ACTIVATE_RESIDENT))
			expected = OBSERVER_SHARING_VIOLATION;
		else if (flags == IOCTL_ACTIVATE)
			expected = OBSERVER_OK;
		assert_int_equal(status, expected);
		if (flags == IOCTL_ACTIVATE)
			assert_int_equal(driver_client_deactivate(&bench.inactive), OBSERVER_OK);
	}

	struct ioctl_activation activation = {{sizeof activation, IOCTL_PROCOBSRV_VERSION},
					      .flags = IOCTL_ACTIVATE};
	activation.reserved = 1;
	assert_int_equal(serve(&bench.inactive, IOCTL_PROCOBSRV_ACTIVATE_MONITORING, &activation,
			       sizeof activation, &activated, sizeof activated, &written),
			 OBSERVER_INVALID_PARAMETER);
	activation.reserved = 0;
	activation.token.position = 1;
	assert_int_equal(serve(&bench.inactive, IOCTL_PROCOBSRV_ACTIVATE_MONITORING, &activation,
			       sizeof activation, &activated, sizeof activated, &written),
			 OBSERVER_INVALID_PARAMETER);

	struct ioctl_residence residence = {{sizeof residence, IOCTL_PROCOBSRV_VERSION},
					    .reside = 2};
	assert_int_equal(serve(&bench.inactive, IOCTL_PROCOBSRV_RESIDE, &residence,
			       sizeof residence, NULL, 0, &written),
			 OBSERVER_INVALID_PARAMETER);
	residence.reside = 1;
	residence.reserved = 1;
	assert_int_equal(serve(&bench.inactive, IOCTL_PROCOBSRV_RESIDE, &residence,
			       sizeof residence, NULL, 0, &written),
			 OBSERVER_INVALID_PARAMETER);
	residence.reserved = 0;
	memset(residence.version, 'v', sizeof residence.version);
	assert_int_equal(serve(&bench.inactive, IOCTL_PROCOBSRV_RESIDE, &residence,
			       sizeof residence, NULL, 0, &written),
			 OBSERVER_INVALID_PARAMETER);
	end(&bench);
}

static void wrong_codes_are_refused(void **state)
{
	uint8_t output[512];
	struct bench bench;
	size_t written;

	(void)state;
	begin(&bench);
	for (uint32_t code = 0; code < 1u << 24; code += code < 0x220000 ? 4093 : 1) {
		if (code > 0x230000)
			break;
		bool known = false;
		for (size_t i = 0; i < FORM_COUNT; i++)
			known |= forms[i].code == code;
		if (!known)
			assert_int_equal(
			    serve(&bench.inactive, code, NULL, 0, output, 64, &written),
			    OBSERVER_INVALID_REQUEST);
	}
	end(&bench);
}

/* Mostly near what is right, so that they get far. */
static void make_random(uint8_t *input, uint32_t *code, size_t *in, size_t *out)
{
	const struct form *form = &forms[(size_t)rand() % FORM_COUNT];

	*code = rand() % 20 ? form->code : (uint32_t)rand();
	*in = rand() % 4 ? form->input : (size_t)rand() % 128;
	*out = rand() % 4 ? form->output : (size_t)rand() % 400;
	if (form->output_least)
		*out = READ_SIZE_MIN - (rand() % 2 ? 0 : (size_t)rand() % 100);
	for (size_t i = 0; i < 256; i++)
		input[i] = rand() % 3 ? 0 : (uint8_t)rand();
	struct ioctl_header header = {(uint32_t)*in, IOCTL_PROCOBSRV_VERSION};
	if (rand() % 8)
		memcpy(input, &header, sizeof header);
}

static void a_hundred_thousand_random_ones_do_no_harm(void **state)
{
	static uint8_t output[READ_SIZE_MIN];
	uint8_t input[256];
	struct bench bench;
	struct observation observation;
	size_t in, out, written;
	unsigned served = 0;
	uint32_t code;

	(void)state;
	srand(3);
	begin(&bench);
	for (uint32_t i = 0; i < 100000; i++) {
		struct driver_client *client = i % 2 ? &bench.active : &bench.inactive;
		make_random(input, &code, &in, &out);
		/* Whatever it has become, the client has something to read. */
		make_observation(&observation, RECORD_EXIT, 4);
		observer_keep(bench.observer, &observation);
		int32_t status = serve(client, code, input, in, output, out, &written);
		assert_int_not_equal(status, OBSERVER_PENDING);
		served += status == OBSERVER_OK;
	}
	assert_in_range(served, 1000, 60000);

	/* It lives, and serves. */
	(void)driver_client_deactivate(&bench.active);
	assert_int_equal(driver_client_activate(&bench.active, 0, NULL), OBSERVER_OK);
	observer_keep(bench.observer, &observation);
	assert_int_equal(driver_client_drain(&bench.active), 1);
	end(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_size_but_the_right_one_is_refused),
	    cmocka_unit_test(a_read_needs_room_for_any_record),
	    cmocka_unit_test(the_size_and_version_within_are_checked),
	    cmocka_unit_test(wrong_values_are_refused),
	    cmocka_unit_test(wrong_codes_are_refused),
	    cmocka_unit_test(a_hundred_thousand_random_ones_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

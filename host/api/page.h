/* Lists in pages: Marker and MaxItems of a call in, NextMarker of its output out.
 *
 *     if (!page_begin(call, &page)) return;
 *     ... from page.from on: if (page_is_full(&page, list)) { page_end(out, 0, name); break; }
 */
#pragma once

#include "host/api/call.h"

#define PAGE_ITEMS 50 /* Lambda returns no more in one answer */
#define PAGE_MARKER_BYTES 512
struct page {
    char from[PAGE_MARKER_BYTES]; /* the name that the page begins with, or "" */
    size_t index, max;            /* within that name; items at most */
};
/* Marker and MaxItems of the call. False: the call has failed. */
bool page_begin(struct api_call *call, struct page *ret_page);
/* The same for a list with a limit of its own. */
bool page_begin_up_to(struct api_call *call, size_t items, struct page *ret_page);
bool page_is_full(const struct page *page, const cJSON *list);
/* NextMarker: the first that was left out. */
void page_end(cJSON *out, size_t index, const char *name);

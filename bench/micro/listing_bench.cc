// SPDX-License-Identifier: MIT
//
// A merged listing of 10 to 100,000 names: built, asked, walked through.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "overlay/listing.h"

namespace veneer::overlay {
namespace {

std::vector<std::string> names(std::int64_t count) {
  std::vector<std::string> all;
  for (std::int64_t i = 0; i < count; ++i) {
    all.push_back(fmt::format("some-file-{:06}.txt", i));
  }
  return all;
}

Listing listing_of(const std::vector<std::string>& all) {
  Listing listing;
  for (const std::string& name : all) {
    listing.insert({.name = name, .ino = 1, .layer = 1, .type = 8});
  }
  return listing;
}

void count_names(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["each"] = benchmark::Counter(
      static_cast<double>(state.iterations() * state.range(0)),
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void listing_insert(benchmark::State& state) {
  const auto all = names(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(listing_of(all));
  count_names(state);
}

void listing_find(benchmark::State& state) {
  const auto all = names(state.range(0));
  const Listing listing = listing_of(all);
  for (auto _ : state) {
    for (const auto& name : all) benchmark::DoNotOptimize(listing.find(name));
  }
  count_names(state);
}

void listing_miss(benchmark::State& state) {
  const auto all = names(state.range(0));
  const Listing listing = listing_of(all);
  std::vector<std::string> others;
  for (const auto& name : all) others.push_back(name + "~");
  for (auto _ : state) {
    for (const auto& name : others) {
      benchmark::DoNotOptimize(listing.find(name));
    }
  }
  count_names(state);
}

void listing_iterate(benchmark::State& state) {
  const Listing listing = listing_of(names(state.range(0)));
  for (auto _ : state) {
    std::uint64_t sum = 0;
    for (auto it = listing.after(0); it != listing.end(); ++it) {
      sum += it->second.ino;
    }
    benchmark::DoNotOptimize(sum);
  }
  count_names(state);
}

BENCHMARK(listing_insert)->RangeMultiplier(10)->Range(10, 100'000);
BENCHMARK(listing_find)->RangeMultiplier(10)->Range(10, 100'000);
BENCHMARK(listing_miss)->RangeMultiplier(10)->Range(10, 100'000);
BENCHMARK(listing_iterate)->RangeMultiplier(10)->Range(10, 100'000);

}  // namespace
}  // namespace veneer::overlay

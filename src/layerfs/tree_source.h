// SPDX-License-Identifier: MIT
//
// Any other layer as a source of entries: a directory of this machine, an
// overlay's upper, a composefs image.
//
// Names come in their order, directories before what is in them; the contents
// of files are read, and maybe hashed, some hundred at a time on all threads,
// and given in order all the same. Files with several names are given once and
// then as hard links. What changes while it is read is an error where it is
// noticed.
//
// Threads: starts those it is asked for; none is left when it returns.

#pragma once

#include <functional>
#include <string>

#include "layerfs/entry.h"
#include "veneer/layer.h"
#include "veneer/layerfs_import.h"
#include "veneer/result.h"

namespace veneer::layerfs {

/// Makes what an entry says of a file's content. Called from any thread, with
/// the number of it, counted from 0. The subject of an error says no path.
using MakeContent = std::function<Result<EntryData>(
    unsigned thread, const LayerNode& node, const Attr& attr)>;

/// Of `options` all but the limit and the store count. The report counts
/// entries and specials.
Result<TreeReport> read_tree(Layer& source, const std::string& name,
                             const TreeOptions& options,
                             const MakeContent& make_content,
                             const EntrySink& sink);

}  // namespace veneer::layerfs

// SPDX-License-Identifier: MIT
//
// What can be done with a session once it was worked in, as the command line
// and the library do it: finalize, between the session's locks and manifest.
//
// Whatever finds that an earlier action was interrupted ends that one first and
// says so. A session that is over (its upper has nothing in it any more) is
// cleared away: the upper, the work directory and the mount point go if Veneer
// made them, and what Veneer put into them if not. Nothing else is removed. The
// manifest goes last of all, so that this can be repeated if it is cut short.
//
// Looking at a session takes no lock: of one that is mounted, the changes are
// those that have reached the upper by now.

#pragma once

#include <string>

#include "finalize/commit.h"
#include "finalize/export_oci.h"
#include "finalize/scan.h"
#include "finalize/trees.h"
#include "session/find_session.h"
#include "veneer/result.h"

namespace veneer::session {

/// Fails  ENOENT       the base is gone, or the upper
///        EINPROGRESS  an action was interrupted: what is there is half done
///        EBUSY        the session covers its own base
///        others       as open_trees()
Result<finalize::Trees> open_session(const FoundSession& session);

/// All of scan(), conflicts too. Fails  as open_session() and scan()
Result<finalize::Changes> list_changes(const FoundSession& session,
                                       const finalize::OnProgress& progress);

struct Committed {
  finalize::CommitReport report;
  /// What became of an earlier action that had been interrupted.
  finalize::Recovered before = finalize::Recovered::kNothing;
};
/// Fails  EBUSY  the session is mounted, or something covers its base
///        others as finalize::commit() and open_session()
Result<Committed> commit(const FoundSession& session,
                         const finalize::CommitOptions& options);

/// Fails  EBUSY      the session is mounted
///        ENOTEMPTY  the upper had entries of its own before its first mount
Result<finalize::Recovered> discard(const FoundSession& session,
                                    const finalize::OnProgress& progress);

/// Fails  EBUSY  the session is mounted
Result<finalize::Recovered> recover(const FoundSession& session,
                                    const finalize::OnProgress& progress);

/// Writes the changes to `fd` as a layer of an OCI image.
/// Fails  EBUSY  the session is mounted; others as open_session() and scan()
Result<finalize::ExportReport> export_oci(const FoundSession& session, int fd,
                                          const finalize::OnProgress& progress);

/// Unmounts if need be, and removes the mount point if Veneer made it.
/// Fails  as unmount()
Result<void> preserve(const FoundSession& session);

/// Ends what was interrupted in `work`, if anything, so that the overlay can
/// be mounted. Fails  as recover()
Result<finalize::Recovered> recover_before_mount(const std::string& upper,
                                                 const std::string& work);

/// "commit", "commit-atomic" or "discard"; empty: none was interrupted.
std::string interrupted_action(const FoundSession& session);

}  // namespace veneer::session

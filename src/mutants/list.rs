//! All mutants, by room.

/// The mutants by room: variant, and what is broken.
macro_rules! mutants {
    ($($room:literal { $($variant:ident $broken:literal)* })*) => {
        /// A planted bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant { $($(#[doc = concat!("Broken: ", $broken, ".")] $variant,)*)* }

        /// All mutants.
        #[cfg(any(test, feature = "mutants"))]
        pub const ALL: &[super::Entry] = &[$($(super::Entry {
            mutant: Mutant::$variant,
            variant: stringify!($variant),
            room: $room,
            broken: $broken,
        },)*)*];
    };
}

mutants! {
    "login" {
        KickHereOnly "a login kicks the older one of its class only on its own msg_server"
        LoginLosesNick "the answer to a login has no nickname"
        KickOtherClass "a login kicks the device of the other class"
        KickNewer "where two logins of a class meet, the newer one is kicked"
        AskedBeforeKicks "a login that a slow db_proxy serves late kicks the one that was asked for after it"
        KickedStaysServed "a kicked connection is told so, and goes on being served"
        LogoutUnanswered "a logout is not answered, only closed"
        KickPcHereOnly "a phone kicks the PCs of its user only on its own msg_server"
        GateOpensAtRequest "a connection is served as soon as it has asked for a login"
        GateForMessagesOnly "only messages need a login, other requests are served without one"
        SenderAsClaimed "a device is whoever it says it is"
        LoginOutlivesConnection "a login in flight is kept though its connection is gone"
        ClosedLoginForgetsOthers "a connection that goes before its login is answered takes those of others with it"
        KickFromElsewhereOtherClass "a kick from another msg_server hits the device of the other class"
        AnyPassword "any password is right"
        NeverLockedOut "a name is never locked, however often its login failed"
        LockedOutAtOnce "a name is locked after one failed login"
        FailuresOutliveSuccess "a login that succeeds does not clear the failures before it"
    }
    "presence" {
        SecondDeviceUnannounced "a login is announced to route only if the user has no other device on that msg_server"
        ReportLeavesOutPhones "what a msg_server reports to a new route link leaves out phones"
        UserGoesWithOneDevice "a user whose one device goes is forgotten with all others of that msg_server"
        GoneUnannounced "a device that goes is announced to route only if it was the user's last on that msg_server"
        AnnouncedToMasterOnly "who comes and goes is told to the route master only"
        StatusUntoldToLast "who comes and goes is not told to the last PC of a msg_server"
        PcStatusToPcs "that a PC is online is told to the PCs of the user instead of the phones"
        PcGoneUntold "that the PC of a user is gone is not told to their phones"
        OfflineUntold "that a user goes offline is told to nobody"
        ReportAddsUp "what a msg_server reports anew is added to what it had reported before"
        UsersOutliveTheirLink "users who were behind a link that closed stay online"
        PhoneCountsAsPc "who asks is told that a user is online who has only a phone on"
        StatusLeavesOutOffline "who asks for the status of users is told only of those who are online"
    }
    "message path" {
        TimeOfDevice "a message keeps the time that its device gave it"
        AckedSendWaits "a send that was acked still counts as waiting, and is refused later"
        VoiceUnacked "voice messages are stored and pushed, and not acked"
        AckedThenRefused "every send is acked and then refused"
        GroupMessageHereOnly "a message of a group is not handed to route"
        NoOwnCopies "the other devices of a sender get no copy"
        PushedToOrigin "a message is pushed to the connection that sent it, too"
        PushedToOneDevice "of a receiver's devices on a msg_server only the first gets the message"
        PushSkipsLast "of three and more connections the last one gets no push"
        AckSettlesOldest "an ack settles the oldest entry of the send list, whichever it names"
        GroupPushedToOrigin "a message of a group is pushed to the connection that sent it, too"
        GroupPushUntracked "a push of a group is not entered in the send list"
        RefusalNamesNoRequest "a refusal does not say which request it is about"
        RefusalOfDbKept "what a db_proxy refuses is not passed on to the device"
        P2pHereOnly "a P2P command reaches only devices on the msg_server of its sender"
        RepeatGetsNewId "a repeated send is acked with another msg_id than the first one"
    }
    "catch-up" {
        LostSendHintsNobody "nobody is told to ask when the answer to a send does not come"
        FanOutForgotten "nobody is told to ask when the members of a group are not answered"
        HintToOneOfTwo "of the two users of a message that may be lost only one is told to ask"
        HintInPauseForgotten "who is to be told within the pause between two hints is never told"
        HintHereOnly "who may have missed a message is told to ask only on one msg_server"
        NoHintAfterRouteIsBack "after a route link was closed nobody is told to ask for what it would have brought"
        VoiceFromReplica "the row of a voice message is read from the replica"
        ByIdLacksLast "of the messages that were asked for by id the last one is left out"
        LatestIdIsOld "the latest msg_id of a chat is answered as the one before it"
        PageLacksLast "a page of messages lacks its last one"
        PageOldestFirst "a page of messages begins with the oldest"
        PageLacksFirst "a page of messages between two users begins below the id that was asked for"
        PageFromReplica "messages between two users are listed from the replica"
        RemovedSessionStays "a new message does not bring a removed session back"
        SessionsLackRemoved "a device that compares sessions is not given the removed ones"
        SessionsFromReplica "sessions are read from the replica"
        SessionsLackOldest "the list of sessions lacks its last one"
        SessionsLackOtherGroups "a device that compares sessions is not given groups without a session"
    }
    "groups" {
        ChangeToldHereOnly "a change of members is told only on the msg_server of who made it"
        TakenOutUntold "those who are taken out of a group are not told"
        NewGroupLacksOne "one of the users named does not become a member of a new group"
        AnyoneMayTakeOut "anybody may change the members of any group"
        ChangeNotStored "a change of members is acked and told, and not stored"
        GroupVersionStays "a change of members does not raise the version of the group"
        ChangeNamesOneLess "the answer to a change, and its notice, lack the last member"
        RejoinKeepsFloor "who joins a group again may read what was said while they were out"
        LeaverKeepsSession "who is taken out of a group keeps the session with it"
        FloorIgnoredByLists "a member may pull messages from before they joined"
        MembersFromReplica "who is in a group is read from the replica"
        JoinerSeesAll "who joins a group may read all that was said before"
        LateMemberIsPushed "a message is pushed to members who joined after it was stored"
        GroupInfoForStrangers "who is in a group is told to users who are not"
        GroupInfoLacksMember "who asks who is in a group is told all but the last member"
        GroupListLacksFirst "the list of a user's normal groups lacks the first one"
        MuteNotStored "that a member mutes a group is acked, and not stored"
        GroupJobIdles "messages of groups do not bring the sessions with them up to date"
    }
    "read marks" {
        ReadAckSettlesNothing "a read ack does not settle the entry of the send list that it names"
        ReadNoticeElsewhereOnly "what a user has read is not told to their devices on the same msg_server"
        ReadNoticeHereOnly "what a user has read is not told to their devices on other msg_servers"
        RemovalUntold "that a session was removed is not told to the other devices of the user"
        ReadAckReadsAll "a read ack takes all there is as read, also what came after it"
        ReadConfirmedUnstored "a read ack is confirmed though it could not be stored"
        ReadConfirmedAsSaid "a read ack of what is not there is confirmed as far as it names, and kept as far as there are messages"
        ReadMarkFalls "a late read ack takes back what was read since"
        UnreadLacksRemoved "what is unread in a session that was removed is not counted"
        MarksFromReplica "how far a user has read is read from the replica"
        LastUnreadLost "where one message of a peer is unread, none is counted"
        OwnAreUnread "a user's own messages in a group count as unread"
        UnreadLacksLast "of several chats with something unread the last one is left out"
        RemovalKeepsUnread "what is unread in a session stays unread when it is removed"
        RemovalNotStored "that a session is removed is acked, and not stored"
    }
    "files" {
        TransferAlwaysOffline "a file is left at the server though its receiver is online elsewhere"
        FileOfferedToSender "a file is offered to the devices of its sender on that msg_server"
        FileOfferedHereOnly "a file is offered only on the msg_server of its sender"
        FilesOfEveryone "who asks for their files is given everybody's"
        FilesBySender "who asks for their files is given those that they sent"
        FileKeptForSender "a file waits for its sender"
        FetchedFileStays "a file that was fetched waits on"
        FetchedFileTakesAll "with a file that was fetched all others from that sender go"
    }
    "names" {
        SignatureUntold "a changed signature is told to nobody"
        UserListLacksLast "the list of all users lacks the last one"
        UserInfoLacksLast "of several users who were asked for the last one is left out"
        NamesSwapped "details of users have nickname and real name swapped"
        DepartmentIsItsParent "each department is said to be below itself"
        SignatureNotStored "a new signature is acked and told, and not stored"
        UserChangeUnmarked "a changed signature does not count as a change of users, so nobody is given it"
    }
    "pushes" {
        LogoutKeepsToken "a logout leaves the push token of the user in place"
        NoPhonePushes "no phone is told of a message between two users"
        MutedArePushed "phones of members who have muted a group are told of its messages"
        SenderIsPushed "the phone of the sender is told of their own message"
        PushAlwaysLoud "a push makes a noise though a PC of the user is online"
        PushedHereOnly "only phones of users who are connected to that msg_server are told of a message"
        OnePushOfMany "of several members who are to be told only the first is"
        PushTextUncut "a push shows the whole text, however long"
        TokenDropped "a push token is acked, and not kept"
        FormerTokenStays "a token that a user had before goes on naming them"
        TokenOfTokenOnly "whose a token is is kept, and not which token a user has"
        NightIsLoud "who wants no pushes at night gets them"
        NightLastsAllDay "who wants no pushes at night gets none by day"
        TokenOfFirstOnly "of several users only the first one's token is found"
        PushCountsOne "every push says that one message is unread"
        NightNotStored "that a user wants no pushes at night is acked, and not stored"
    }
    "timers" {
        HeartbeatUnanswered "no heartbeat of a device is echoed"
        TimeSinceStart "who asks for the time is told for how long the msg_server runs"
        AnsweredRequestWaits "a request that was answered still counts as waiting, and is refused later"
        LateRequestUntold "who waits too long for an answer is not told"
        LostRequestUntold "nobody is told to ask when a send was never answered"
        SilenceLimitsSwapped "PCs may be silent for as long as phones, and phones for as long as PCs"
        SilentClientStays "a connection that is silent for ever is never closed"
        StrangerStays "a connection that never logs in is never closed"
        SendListExpiresAtOnce "an entry of the send list is dropped at the first tick"
        AnswerToFirstDevice "an answer goes to the first device of the user, whichever asked"
    }
    "rates" {
        RateNotKept "what is over the rate is served"
        AbuseIsServed "a connection far beyond its rate is served on"
        LimitsNotKept "lengths of strings, lists and pages are not looked at"
        RateWindowStays "the window of the rates never ends"
        SourcesUncounted "one address may have any number of connections"
        AsksPastRoom "a request is written to its link however much waits there"
        AnswersPastRoom "an answer is written to its link however long it is, and however much waits there"
        SendListOverBound "a device that does not ack stays, however much it has not acked"
        InFlightOverBound "any number of requests of a device may wait"
        MarksAsSaid "a read ack is kept though nothing was said in its chat, or its user is not in the group"
        TokensKeptForEver "tokens of sends are never forgotten"
    }
    "links" {
        DrawnWorkerOnly "a request waits for the worker that was drawn for it, though another one is idle"
        SilentLinkStays "a link between servers that is silent for ever is never closed"
        NoLinkHeartbeats "no heartbeats are sent on links between servers"
        LostLinkStaysLost "a link between servers that is lost is never dialled again"
        RouteRequestsStay "what a route_server owes is not given up when its link closes"
        DbRequestsStay "what a db_proxy owes is not given up when its link closes"
        AllRequestsGoWithOneLink "when one db_proxy link closes, what waits on the others is refused, too"
        NewestRouteIsMaster "the newest route link is taken for the master"
        StopIgnored "a db_proxy that stops is asked on"
        RelaySkipsLastServer "what a msg_server says to all others does not reach the last one"
        StopUntold "a db_proxy that stops tells no msg_server"
        StopAtOnce "a db_proxy that is told to stop serves nothing to the end"
    }
    "transactions" {
        KnownSessionsStay "sessions that a failed send had are remembered on"
        ChangesTakeNoTurns "a change of members does not lock its group"
        MemberNotHeld "a send to a group does not lock the membership of its sender"
        RelationKnownTooSoon "a new relation is remembered before it is committed"
        AdoptedWithoutFloor "a relation of before the switch is adopted without its messages"
        OldCountersForgotten "what was not read before unread-from-store was turned on is read when it is"
        JoinFloorNotHeld "after which message a member joins is read without a lock"
        NothingIsStored "no msg_id can be drawn, as where Redis refuses all writes: every send is refused for ever"
        NoGroupMessageIsStored "no message of a group can be stored"
        OneTableFails "no message can be stored in one of the eight tables"
        SessionKnownTooSoon "a new session is remembered before it is committed"
        RollBackForgotten "a transaction that failed is not rolled back"
        UnknownCommitCounts "a COMMIT that failed or had no answer counts as done"
    }
    "clients" {
        GroupsUnacked "a device acks no message of a group"
        OwnCopiesUnacked "a device does not ack copies of what other devices of its user sent"
        RepeatsAreUnread "a message that is held already counts as unread once more"
        RemovedStaysUnread "a device goes on showing what was unread in a session that was removed"
        HintWhileAskingForgotten "a hint that comes while sessions are being asked for is forgotten"
        GapsUnseen "a device does not look for what a push skipped"
        FullPageIsTheLast "a page that is just full is taken for the last one"
        NoHeartbeats "a device sends no heartbeats"
        KickedComesBack "a device that was kicked logs in again"
        TokenWithoutInstall "two devices of a user give different messages the same token"
        TokenOfTry "a message has another token on each connection that it is written on"
        AckIsOfOldest "an ack is taken for the oldest message in flight"
        SentNotHeld "a device does not keep what it sent"
        SweepGivenUp "a page that is not answered in time ends the catching up of its chat for good"
        ReadAckOnce "a read ack that is not confirmed is not written again on that connection"
        LoginComparesNothing "a device does not compare sessions after a login"
        LoginCountsNothing "a device does not ask for unread counts after a login"
        CrashForgetsOutbox "a crash of the program forgets what was not acked"
        CrashForgetsReads "a crash of the program forgets which read acks were not confirmed"
        WaitsNeverShrink "the waits before reconnects go on growing after a login that succeeded"
        UnsentStaysUnsent "after a login a device does not write what has no answer yet"
        StaysAtDeadServer "a device tries the same msg_server for ever"
        LeaverSweepsOn "a device goes on asking for messages of a group that its user was taken out of"
        ReadNotPutDown "a device does not put down which read acks are not confirmed"
        ReadElsewhereStaysUnread "what was read on another device stays unread on this one"
        GoneCountStays "a chat that the server counts nothing unread in stays unread"
        PulledUnacked "what came by a pull is not acked"
        LostAckForgotten "what was acked on a connection that was lost is not acked again"
        WrittenCountsAsRead "an ack counts as read once it is written"
        ClaimsNewest "an ack says that all is held up to the newest message that the device has heard of"
        ReadAckOneBelow "a read ack names the message before the last one"
    }
    "rollout" {
        TokensReversed "db_proxies keep tokens of sends with their bytes reversed, and find none of those that others kept"
        CountersOfTheirOwn "db_proxies draw msg_ids from counters under other keys, which begin where the old ones are then"
        DbWantsMark "msg_servers mark messages for db_proxies in the header's reserved field, and those pass over unmarked ones"
        MsgWantsMark "route_servers mark what they send in the header's reserved field, and msg_servers pass over what is not marked"
        SendsWantMark "devices mark messages in the header's reserved field, and msg_servers pass over unmarked ones"
        MarkForNothing "devices mark messages in the header's reserved field, and nobody looks"
    }
}
